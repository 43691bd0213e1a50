//! `glimpse features`: pictures into a file of features.

use std::borrow::Cow;
use std::fmt;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use glimpse_models::{Bundle, Precision};
use glimpse_runtime::{Machine, Model, PREPROCESS_VERSION};
use serde::Serialize;

use crate::bundles;
use crate::device::DeviceArgs;
use crate::features::{Computed, Existing, Input, Keep, Kind, Part, Recipe, Shard, compute, fingerprint, inputs};
use crate::progress::progress;
use crate::visible::Visible;

/// Compute features of pictures: numbers that stand for what is in them, for search, sorting and small classifiers.
///
/// OUT's ending says its kind. Every kind has the picture's path, the SHA-256 of the encoder's file and the version of the
/// preprocessing with each row: only rows that agree in the last two may be compared.
///
/// .npy: the matrix alone, f32, [pictures, C], or with --pool none [pictures, tokens, C]. Beside it, OUT.npy.rows.jsonl has
/// a line a picture: what the row is of.
///
/// .parquet: a row a picture, `features` a list of fixed length; with --pool none a row a token, with `token` (0 is the
/// class token) and `patch`, its place in the grid.
///
/// .jsonl: a line a picture; with --pool none, `features` is a list of lists, and `patches` are the places of all but the
/// first.
///
/// Rows are in the order of the arguments, those of a folder in name order, at any depth. The whole picture is squeezed
/// into the model's square. A picture that cannot be read is named on stderr, has no row, and does not change the exit
/// status as long as another one has a row.
///
/// A run that is stopped leaves OUT.part, a folder; --resume goes on from there and gives the same file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  glimpse features photos/ -o photos.parquet
  glimpse features photos/ -o photos.npy --pool cls --visible 16 --seed 7
  glimpse features photos/ -o part2.jsonl --shard 2/5 --resume")]
pub struct Args {
    /// Pictures (JPEG, PNG or WebP), or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    images: Vec<PathBuf>,

    /// The file to write: .npy, .parquet or .jsonl
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// What stands for a picture
    #[arg(long, value_enum, default_value = "mean")]
    pool: Keep,

    /// How many of the picture's patches the encoder sees, drawn at random; fewer cost less. The choice follows from the
    /// seed and the picture's name below its folder, so that a shard gives the same rows as the whole
    #[arg(long, value_name = "N|all", default_value = "all")]
    visible: Visible,

    /// Seed of --visible
    #[arg(long, value_name = "S", default_value_t = 0, requires = "visible")]
    seed: u64,

    /// A model inside the program, or a bundle's folder (`glimpse info` lists them)
    #[arg(long, value_name = "NAME|PATH", default_value = bundles::DEFAULT)]
    model: String,

    /// Numbers to compute with: int8 or f32 [default: int8 where the model has it]
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Threads to compute with, each on pictures of its own; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Compute the i-th of n parts alone. Neighbours in the list stay together, so that the parts' rows, one part after
    /// another, are those of the whole
    #[arg(long, value_name = "i/n", default_value_t = Shard::WHOLE)]
    shard: Shard,

    /// Go on where a stopped run of the same arguments left off; begin where there is none, and leave an output that is there
    /// as it is
    #[arg(long)]
    resume: bool,

    /// Replace an output that exists, and, without --resume, throw away what a stopped run left
    #[arg(long)]
    force: bool,

    /// Report on stdout as JSON instead of in words
    #[arg(long)]
    json: bool,
}

/// What is said at the end.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// As text, like all paths here: JSON holds no name that is no Unicode.
    outputs: Vec<Cow<'a, str>>,
    shape: Vec<usize>,
    recipe: &'a Recipe,
    /// Pictures that an earlier run had done.
    resumed: usize,
    broken: Vec<Broken<'a>>,
    threads: usize,
    duration_s: f64,
    pictures_per_s: f64,
}

/// What is said of outputs that were there before.
#[derive(Debug, Serialize)]
struct Left<'a> {
    outputs: Vec<Cow<'a, str>>,
    existed: bool,
}

/// A picture without a row.
#[derive(Debug, Serialize)]
struct Broken<'a> {
    path: Cow<'a, str>,
    reason: &'a str,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let kind = Kind::from_path(&args.output)?;
    if args.resume
        && !args.force
        && !Part::is_there(&args.output)
        && kind.outputs(&args.output).iter().all(|output| output.exists())
    {
        return say_left(args, kind);
    }
    check_outputs(args, kind)?;
    let inputs = args.shard.of(inputs(&args.images)?)?;
    let bundle = bundles::open(&args.model)?;
    let precision = bundles::precision(&bundle, args.precision);
    args.device.check(precision)?;
    let visible = args.visible.count(&bundle)?;

    let threads = args.threads.map_or_else(|| Machine::detect().threads, |threads| threads as usize);
    let workers = threads.min(inputs.len());
    // models side by side share the threads; where there is a picture for each thread, each model is best on its own
    let shared = if workers == threads { 1 } else { threads };
    let options = args.device.options(precision, Some(shared));
    let model = Model::load(&bundle, &options).with_context(|| format!("model `{}`", args.model))?;
    let recipe = recipe(args, &bundle, &model, precision, visible, &inputs)?;
    let existing = match (args.resume, args.force) {
        (true, _) => Existing::Resume,
        (false, true) => Existing::Discard,
        (false, false) => Existing::Refuse,
    };
    let mut part = Part::open(&args.output, &recipe, existing)?;

    let resumed = part.done();
    let bar = progress(inputs.len(), resumed);
    // that nobody reads it is no reason to stop
    let name_broken = |reason: &str| {
        bar.suspend(|| {
            let _ = writeln!(stderr(), "passed over: {reason}");
        });
    };
    part.broken().iter().flatten().for_each(|reason| name_broken(reason));
    let start = Instant::now();
    compute(&model, &inputs[resumed..], &recipe, workers, |_, computed| {
        if let Computed::Broken(reason) = &computed {
            name_broken(reason);
        }
        part.add(computed)?;
        bar.inc(1);
        Ok(())
    })?;
    let duration_s = start.elapsed().as_secs_f64();
    bar.finish_and_clear();

    let broken = part.broken().to_vec();
    let rows = part.whole();
    if rows == 0 {
        part.remove()?;
        bail!("none of the {} pictures could be read, for the reasons above; nothing is written", inputs.len());
    }
    kind.write(part, &inputs, model.grid(), &args.output)?;
    let list = inputs.iter().zip(&broken);
    let outputs = kind.outputs(&args.output);
    let report = Report {
        outputs: outputs.iter().map(|output| output.to_string_lossy()).collect(),
        shape: match recipe.pool {
            Keep::None => vec![rows, recipe.rows(), recipe.width],
            Keep::Cls | Keep::Mean => vec![rows, recipe.width],
        },
        recipe: &recipe,
        resumed,
        broken: list
            .filter_map(|(input, reason)| {
                Some(Broken { path: input.path.to_string_lossy(), reason: reason.as_deref()? })
            })
            .collect(),
        threads,
        duration_s,
        pictures_per_s: (inputs.len() - resumed) as f64 / duration_s.max(f64::EPSILON),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", Words { output: &args.output, report: &report });
    }
    if !report.broken.is_empty() {
        let (broken, all) = (report.broken.len(), inputs.len());
        let _ = writeln!(stderr(), "warning: {broken} of {all} pictures could not be read and have no row");
    }
    Ok(())
}

/// Says that there is nothing to go on with: what is in an output, and by which arguments, it does not say itself.
fn say_left(args: &Args, kind: Kind) -> Result<()> {
    if args.json {
        let outputs = kind.outputs(&args.output);
        let outputs = outputs.iter().map(|output| output.to_string_lossy()).collect();
        println!("{}", serde_json::to_string_pretty(&Left { outputs, existed: true })?);
    } else {
        println!("{} is there already, and left as it is; --force computes it anew", args.output.display());
    }
    Ok(())
}

/// Refuses before anything is computed what could not be written at the end.
fn check_outputs(args: &Args, kind: Kind) -> Result<()> {
    if args.output.is_dir() {
        bail!("{} is a folder; name a file with -o", args.output.display());
    }
    for output in kind.outputs(&args.output) {
        // A run that is resumed may have been stopped between its two files, and has left its part then.
        let may_be_ours = args.resume && output != args.output && Part::is_there(&args.output);
        if output.exists() && !args.force && !may_be_ours {
            bail!("{} exists already; name another output, or replace it with --force", output.display());
        }
    }
    if args.resume || args.force { Ok(()) } else { Part::check_absent(&args.output) }
}

fn recipe(
    args: &Args,
    bundle: &Bundle,
    model: &Model,
    precision: Precision,
    visible: usize,
    inputs: &[Input],
) -> Result<Recipe> {
    Ok(Recipe {
        glimpse: env!("CARGO_PKG_VERSION").to_owned(),
        model: bundle.name().to_owned(),
        model_sha256: bundles::encoder_sha256(bundle, model.form())?,
        precision,
        device: if model.runs_on() == "cpu" { "cpu" } else { "gpu" }.to_owned(),
        preprocess_version: PREPROCESS_VERSION,
        pool: args.pool,
        visible,
        seed: args.seed,
        shard: args.shard.to_string(),
        pictures: inputs.len(),
        pictures_sha256: fingerprint(inputs)?,
        width: bundle.spec().encoder().width,
    })
}

/// The report for people.
struct Words<'a> {
    output: &'a Path,
    report: &'a Report<'a>,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { shape, recipe, resumed, pictures_per_s, .. } = self.report;
        let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
        write!(f, "{}: {} numbers by {}", self.output.display(), lengths.join(" × "), recipe.model)?;
        if *resumed > 0 {
            write!(f, ", {resumed} pictures of them from a stopped run")?;
        }
        write!(f, ", {pictures_per_s:.1} pictures/s")
    }
}
