//! `glimpse-export train`: photographs into a checkpoint.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use glimpse_export::data::{BatchSpec, MaskKind, MaskSpec, RatioRange};
use glimpse_export::device::CPU;
use glimpse_export::model::Products;
use glimpse_export::train::{Schedule, Settings, run as train};

use super::sizes::SizeArgs;
use super::try_device;

/// Trains a masked autoencoder on a folder of photographs.
///
/// Each twentieth picture in name order is kept for validation and never trained on. The output folder gets the newest
/// checkpoints, metrics.csv, loss.png and a contact sheet (masked, painted, original) of validation pictures.
#[derive(Debug, ClapArgs)]
#[command(args_override_self = true)]
pub struct Args {
    /// Folder tree of JPEG, PNG and WebP pictures.
    data: PathBuf,
    /// Folder for checkpoints, metrics and pictures.
    #[arg(short, long)]
    out: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// How hidden patches lie.
    #[arg(long, value_enum, default_value = "mixed")]
    mask: MaskKind,
    /// Part of the patches that is hidden: a number, or a range to draw from.
    #[arg(long, default_value = "0.25..0.8")]
    ratio: RatioRange,
    /// Optimizer steps.
    #[arg(long, default_value_t = 10_000)]
    steps: u64,
    /// Pictures in a batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Batches to a step.
    #[arg(long, default_value_t = 1)]
    accumulate: usize,
    /// Highest learning rate.
    #[arg(long, default_value_t = 1.2e-3)]
    learning_rate: f64,
    /// Part of the steps that the learning rate rises.
    #[arg(long, default_value_t = 0.05)]
    warmup: f64,
    /// Weight decay of the matrices.
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f32,
    /// Largest norm of the whole gradient; 0 clips nothing.
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Seed of weights, crops and masks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// cpu, vulkan[:N], wgpu[:N] or cuda[:N], as far as built in; several GPUs, separated by commas, share each batch.
    #[arg(long, value_delimiter = ',', default_value = CPU)]
    device: Vec<String>,
    /// Cores to train on, with --device cpu; all by default. The weights do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Take less memory: compute anew, in the backward pass, what is cheap to compute.
    #[arg(long)]
    recompute: bool,
    /// Numbers that matrix products are computed in; f16 and bf16 are for GPUs. Parameters and sums stay in f32.
    #[arg(long, value_enum, default_value = "f32")]
    matmul: Products,
    /// Keep an exponential moving average of the weights, of which a step keeps this part, such as 0.999: the average
    /// is then the model.
    #[arg(long)]
    ema: Option<f64>,
    /// Start from the weights of this checkpoint, run, bundle or public file instead of random ones. What they predicted may
    /// be another thing, such as normalized patches.
    #[arg(long, value_name = "WEIGHTS")]
    start_from: Option<PathBuf>,
    /// Threads that decode and crop; by default one less than the machine has, at most 16.
    #[arg(long)]
    workers: Option<usize>,
    /// Memory for decoded pictures, in MiB.
    #[arg(long, default_value_t = 2048)]
    cache_mib: usize,
    /// Steps between lines of metrics.csv.
    #[arg(long, default_value_t = 20)]
    log_every: u64,
    /// Steps between checkpoints.
    #[arg(long, default_value_t = 500)]
    checkpoint_every: u64,
    /// Steps between contact sheets.
    #[arg(long, default_value_t = 500)]
    preview_every: u64,
    /// A file of these options: `steps = 2400` stands for `--steps 2400`. What is typed overrides it.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Go on from the newest checkpoint in the output folder, with the same options.
    #[arg(long)]
    resume: bool,
    /// Stop after this step, with a checkpoint; the schedule stays that of all steps.
    #[arg(long)]
    stop_after: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When an option is out of range, or training fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    for (name, number) in [
        ("--batch", args.batch as u64),
        ("--accumulate", args.accumulate as u64),
        ("--steps", args.steps),
        ("--log-every", args.log_every),
        ("--checkpoint-every", args.checkpoint_every),
        ("--preview-every", args.preview_every),
    ] {
        ensure!(number > 0, "{name} 0 does nothing: give at least 1");
    }
    ensure!((0.0..1.0).contains(&args.warmup), "--warmup {} is no part of the steps: give 0 to 1", args.warmup);
    if let Some(ema) = args.ema {
        ensure!((0.0..1.0).contains(&ema), "--ema {ema} is no part of an average: give 0 to 1, such as 0.999");
    }
    ensure!(
        args.matmul == Products::F32 || args.device.iter().all(|device| device != CPU),
        "--matmul f16 and bf16 are for GPUs: the CPU computes in f32, leave --matmul out"
    );
    let several = args.device.len() > 1;
    ensure!(
        !several || args.device.iter().all(|device| device != CPU),
        "--device {}: GPUs can share a batch, the CPU cannot take part: leave {CPU} out",
        args.device.join(",")
    );
    if args.resume && args.start_from.is_some() {
        eprintln!(
            "--start-from is left aside: with --resume, the run in {} goes on with its own weights",
            args.out.display()
        );
    }
    try_device::trusted(&args.device, args.matmul)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = Settings {
        batch: BatchSpec {
            model: args.sizes.spec().context("the model's sizes do not fit together")?,
            size: args.batch,
            mask: MaskSpec { kind: args.mask, ratio: args.ratio },
            seed: args.seed,
        },
        data: args.data.clone(),
        out: args.out.clone(),
        schedule: Schedule {
            peak: args.learning_rate,
            warmup_steps: (args.warmup * args.steps as f64).round() as u64,
            steps: args.steps,
        },
        accumulate: args.accumulate,
        weight_decay: args.weight_decay,
        clip_norm: (args.clip > 0.0).then_some(args.clip),
        devices: args.device.clone(),
        cores: args.threads.unwrap_or(cores),
        recompute: args.recompute,
        products: args.matmul,
        average: args.ema,
        start_from: args.start_from.clone(),
        workers: args.workers.unwrap_or((cores - 1).clamp(1, 16)),
        cache_bytes: args.cache_mib << 20,
        log_every: args.log_every,
        checkpoint_every: args.checkpoint_every,
        preview_every: args.preview_every,
        resume: args.resume,
        stop_after: args.stop_after,
        command: command_line(),
    };
    let checkpoint = train(&settings)?;
    println!("{}", checkpoint.display());
    Ok(())
}

/// The command as it was typed, the program by its name alone and folders by theirs: cards carry no path of a machine.
pub(super) fn command_line() -> String {
    let mut words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    for word in &mut words {
        if word.starts_with('/')
            && let Some(name) = word.trim_end_matches('/').rsplit('/').next()
        {
            *word = name.to_owned();
        }
    }
    words.join(" ")
}
