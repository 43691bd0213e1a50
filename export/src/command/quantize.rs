//! `glimpse-export quantize`: adds the int8 form to a bundle and says what it costs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use glimpse_export::quantize::quantize;
use glimpse_models::{Bundle, Existing};
use indicatif::{ProgressBar, ProgressFinish};

/// Adds int8 weights, per output channel, to a bundle; prints their error and the bytes they save.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder of a bundle that has the f32 form.
    bundle: PathBuf,
    /// Folder of the bundle to write [default: in place]
    #[arg(short, long, value_name = "BUNDLE")]
    out: Option<PathBuf>,
    /// Leave the f32 form out of the result.
    #[arg(long)]
    drop_f32: bool,
    /// Replace a bundle that is at the output folder already.
    #[arg(long, requires = "out")]
    force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Quantizes the bundle and prints the report.
///
/// # Errors
/// When the bundle cannot be read, has no f32 form, or the result cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let out = args.out.as_ref().unwrap_or(&args.bundle);
    let replace = args.force || args.out.is_none();
    ensure!(replace || !out.exists(), "{} exists already: --force replaces it", out.display());

    let progress = ProgressBar::new_spinner()
        .with_message("quantizing, asking both models the golden questions")
        .with_finish(ProgressFinish::AndClear);
    progress.enable_steady_tick(Duration::from_millis(100));
    let bundle = Bundle::open(&args.bundle)?;
    let (files, report) =
        quantize(&bundle, args.drop_f32).with_context(|| format!("quantizing {}", args.bundle.display()))?;
    let existing = if replace { Existing::Replace } else { Existing::Refuse };
    Bundle::write(out, bundle.manifest(), &files, existing)?;
    progress.finish_and_clear();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
