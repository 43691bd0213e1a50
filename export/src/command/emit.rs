//! `glimpse-export emit`: a checkpoint becomes a bundle.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use glimpse_export::emit::{Checkpoint, Labels, emit};
use glimpse_models::{Bundle, Existing};
use indicatif::{ProgressBar, ProgressFinish};

/// Writes a checkpoint as a bundle: ONNX files in f32, a golden file, a model card.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder of a checkpoint, or of a run of `train`, whose newest checkpoint is taken.
    checkpoint: PathBuf,
    /// Folder of the bundle to write.
    #[arg(short, long, value_name = "BUNDLE")]
    out: PathBuf,
    /// Name of the bundle [default: the folder's]
    #[arg(long)]
    name: Option<String>,
    /// Licence of the weights, as SPDX has it or in words.
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    licence: String,
    /// Model card in Markdown [default: a short one is generated]
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Replace a bundle that is there already.
    #[arg(long)]
    force: bool,
}

/// Emits the checkpoint and prints the bundle's folder.
///
/// # Errors
/// When the checkpoint cannot be read or does not fit its spec, or the bundle cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let out = &args.out;
    ensure!(args.force || !out.exists(), "{} exists already: --force replaces it", out.display());
    let folder = out.file_name().and_then(|name| name.to_str());
    let name = args.name.as_deref().or(folder).context("the output folder's name is no text: give --name")?;
    let read_card =
        |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let card = args.card.as_ref().map(read_card).transpose()?;

    let progress = ProgressBar::new_spinner()
        .with_message("writing the graphs, asking the model the golden questions")
        .with_finish(ProgressFinish::AndClear);
    progress.enable_steady_tick(Duration::from_millis(100));
    let checkpoint = Checkpoint::read(&args.checkpoint)?;
    let labels = Labels { name, licence: &args.licence, card: card.as_deref() };
    let (manifest, files) = emit(&checkpoint, &labels)?;
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    Bundle::write(out, &manifest, &files, existing)?;
    progress.finish_and_clear();
    println!("{}", out.display());
    Ok(())
}
