//! `glimpse-export probe`: what are a bundle's features worth?

use std::path::PathBuf;

use anyhow::{Context, ensure};
use glimpse_export::probe::{Settings, probe};
use glimpse_models::{Bundle, Existing, Precision};
use indicatif::{ProgressBar, ProgressStyle};

use super::labelled::LabelledArgs;

/// Measures what classifiers make of a bundle's frozen features of labelled pictures: the vote of the nearest neighbours,
/// and logistic regression; with 25, 50 and 100% of the patches visible.
///
/// Beside them: the same encoder untrained, the pixels, and their principal components.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the bundle.
    bundle: PathBuf,
    #[command(flatten)]
    labelled: LabelledArgs,
    /// Learn from at most this many pictures, drawn at random.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    train_limit: usize,
    /// Ask about at most this many pictures, drawn at random.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    test_limit: usize,
    /// Seed of everything drawn: the pictures, the masks, the untrained encoder.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Form of the weights, int8 or f32 [default: int8 where the bundle has it]
    #[arg(long)]
    precision: Option<Precision>,
    /// Write the percentages into the bundle's manifest, where `glimpse info` finds them.
    #[arg(long)]
    record: bool,
    /// Print the report as JSON instead of Markdown.
    #[arg(long)]
    json: bool,
}

/// Probes the bundle and prints the report.
///
/// # Errors
/// When something cannot be read, run or written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.train_limit > 0, "--train-limit 0 leaves nothing to learn from: give at least 1");
    ensure!(args.test_limit > 0, "--test-limit 0 leaves nothing to ask about: give at least 1");
    let bundle = Bundle::open(&args.bundle)?;
    let has_int8 = bundle.precisions().contains(&Precision::Int8);
    let precision = args.precision.unwrap_or(if has_int8 { Precision::Int8 } else { Precision::F32 });
    let data = args.labelled.read(args.seed)?;
    let data = data.limited(args.train_limit, args.test_limit, args.seed);

    let progress =
        ProgressBar::new(0).with_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}, {eta} left")?);
    let settings = Settings { precision, seed: args.seed };
    let report =
        probe(&bundle, &data, &settings, &progress).with_context(|| format!("probing {}", args.bundle.display()));
    progress.finish_and_clear();
    let report = report?;
    if args.record {
        let mut manifest = bundle.manifest().clone();
        report.record(&mut manifest);
        Bundle::write(&args.bundle, &manifest, bundle.files(), Existing::Replace)?;
    }
    print!("{}", if args.json { report.json()? } else { report.markdown() });
    Ok(())
}
