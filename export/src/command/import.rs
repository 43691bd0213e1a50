//! `glimpse-export import`: public weights become a bundle.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use glimpse_export::emit::Labels;
use glimpse_export::import::{Form, Options, Plan, bundle};
use glimpse_models::{Bundle, Existing};
use indicatif::{ProgressBar, ProgressFinish};

/// Turns public weights into a bundle, in f32 and int8, and prints what was found and what int8 costs.
///
/// Reads the original MAE's .pth files (encoder, with decoder, fine-tuned), Hugging Face's folders of `ViTMAE`, timm's
/// safetensors files, checkpoints of `train`, and bundles. The layout is recognized by the tensors' names; what is missing,
/// surplus or misshapen is listed, and nothing is written then. A file is never executed.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// File of weights, index of several, or a folder that holds them.
    source: PathBuf,
    /// Folder of the bundle to write.
    #[arg(short, long, value_name = "BUNDLE")]
    out: PathBuf,
    /// Name of the bundle [default: the source's, in lowercase]
    #[arg(long)]
    name: Option<String>,
    /// Licence of the weights, as SPDX has it or in words [default: the source's own; CC-BY-NC-4.0 for public weights that
    /// do not say]
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
    /// Model card in Markdown [default: a short one is generated]
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Attention heads of the encoder [default: those of config.json, or of the paper's model of this width]
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Attention heads of the decoder [default: as --heads]
    #[arg(long, value_name = "N")]
    decoder_heads: Option<usize>,
    /// Whether the decoder predicts normalized patches and so cannot paint [default: what the source says or is assumed to
    /// be, with a note]
    #[arg(long, value_name = "BOOL")]
    norm_pix: Option<bool>,
    /// Side of the picture in pixels; positions are stretched to it by cubic interpolation [default: the source's]
    #[arg(long, value_name = "PX")]
    image_side: Option<usize>,
    /// Text file with a classifier's classes, one a line [default: those of config.json, if it names them]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Leave the int8 form out.
    #[arg(long, conflicts_with = "int8_only")]
    f32_only: bool,
    /// Leave the f32 form out.
    #[arg(long)]
    int8_only: bool,
    /// Replace a bundle that is there already.
    #[arg(long)]
    force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Imports the weights and prints the report.
///
/// # Errors
/// When the weights cannot be read or do not fit, or the bundle cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    #[cfg(unix)]
    give_memory_back()?;
    let (source, out) = (&args.source, &args.out);
    ensure!(args.force || !out.exists(), "{} exists already: --force replaces it", out.display());
    let text = |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    let card = args.card.as_ref().map(text).transpose()?;
    let labels = args.labels.as_ref().map(text).transpose()?;
    let options = Options {
        heads: args.heads,
        decoder_heads: args.decoder_heads,
        norm_pix: args.norm_pix,
        image_side: args.image_side,
        licence: args.licence.clone(),
        class_names: labels.map(|labels| labels.lines().map(str::to_owned).collect()),
    };

    let progress = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
    progress.enable_steady_tick(Duration::from_millis(100));
    progress.set_message("looking at the weights");
    let importing = || format!("importing {}", source.display());
    let plan = Plan::open(source, &options).with_context(importing)?;
    let name = args.name.as_deref().or(plan.name.as_deref()).context("the source has no name: give --name")?;
    let labels = Labels { name, licence: &plan.licence, card: card.as_deref() };
    let form = match (args.f32_only, args.int8_only) {
        (true, _) => Form::F32,
        (_, true) => Form::Int8,
        _ => Form::Both,
    };
    let (manifest, files, report) =
        bundle(&plan, &labels, form, &|step| progress.set_message(step)).with_context(importing)?;
    progress.set_message("writing the bundle");
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    Bundle::write(out, &manifest, &files, existing)?;
    progress.finish_and_clear();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

/// Starts the program anew with an allocator that gives freed memory back at once. An import moves all weights from one
/// form into the next, several times over; what it has freed is to be there for the next form.
#[cfg(unix)]
fn give_memory_back() -> anyhow::Result<()> {
    use std::env;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    const SETTING: &str = "MIMALLOC_PURGE_DELAY";
    const AT_ONCE: &str = "0";
    if env::var(SETTING).is_ok_and(|delay| delay == AT_ONCE) {
        return Ok(());
    }
    let program = env::current_exe().context("finding this program's own file")?;
    // returns only if it could not
    Err(Command::new(program).args(env::args_os().skip(1)).env(SETTING, AT_ONCE).exec()).context("starting anew")
}
