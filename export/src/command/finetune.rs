//! `glimpse-export finetune`: a trained encoder and labelled pictures into a model that tells classes apart.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use glimpse_export::device::CPU;
use glimpse_export::finetune::{Mixing, RandAugment, Settings, StartFrom, run as finetune};
use glimpse_export::model::{Preset, Products};

use super::labelled::LabelledArgs;
use super::sizes::SizeArgs;
use super::train::command_line;
use super::try_device;

/// Learning rate for a step of [`BASE_SAMPLES`] samples.
///
/// # Source
/// The command that He et al. 2021, arXiv:2111.06377, publish for ViT-Base.
const BASE_RATE: f64 = 5e-4;
/// Samples of a step that the base rate is for; others take their part of it.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, appendix A.1.
const BASE_SAMPLES: f64 = 256.0;

/// A trained encoder and labelled pictures into a model that tells classes apart.
///
/// The whole encoder learns, and with it a classifier that reads the mean of its patches' tokens. The output folder gets the
/// newest checkpoints and metrics.csv, a line an epoch. `glimpse-export emit` makes a bundle of it, and `glimpse classify` uses
/// that.
///
/// Defaults are the recipe of the MAE paper for ViT-Base; random erasing, which is in the published command but not in the
/// paper, is left out. It is for many epochs: a short run learns more with a higher --learning-rate, less mixing and less
/// --rand-augment.
#[derive(Debug, ClapArgs)]
#[command(args_override_self = true)]
pub struct Args {
    /// What to start from: a checkpoint, a run of `train`, a bundle, or public weights. A classifier that it has is left.
    #[arg(required_unless_present_any = ["preset", "resume"])]
    start: Option<PathBuf>,
    /// Start from random weights of these sizes, for comparison.
    #[arg(long, value_enum, conflicts_with = "start")]
    preset: Option<Preset>,
    /// Folder for checkpoints and metrics.
    #[arg(short, long, value_name = "RUN")]
    out: PathBuf,
    #[command(flatten)]
    labelled: LabelledArgs,
    /// Learn from at most this many pictures, drawn at random [default: all]
    #[arg(long, value_name = "N")]
    train_limit: Option<usize>,
    /// Ask about at most this many pictures, drawn at random [default: all]
    #[arg(long, value_name = "N")]
    test_limit: Option<usize>,
    /// Times that every picture is learnt from.
    #[arg(long, default_value_t = 100)]
    epochs: u64,
    /// Pictures in a batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Batches to a step.
    #[arg(long, default_value_t = 1)]
    accumulate: usize,
    /// Highest learning rate, that of the classifier [default: 5e-4 for 256 pictures a step, and in proportion]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Part of the steps that the learning rate rises.
    #[arg(long, default_value_t = 0.05)]
    warmup: f64,
    /// Part of the next layer's learning rate that each layer takes; 1 for the same everywhere.
    #[arg(long, default_value_t = 0.65)]
    layer_decay: f64,
    /// Weight decay of the matrices.
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f32,
    /// Largest norm of the whole gradient; 0 clips nothing.
    #[arg(long, default_value_t = 0.0)]
    clip: f64,
    /// How likely a sample goes without a branch of the last block; less so in those before it.
    #[arg(long, default_value_t = 0.1)]
    drop_path: f64,
    /// Change colours and geometry at random, by this magnitude: 0 to 10; 0 for none.
    #[arg(long, value_name = "MAGNITUDE", default_value_t = 9.0)]
    rand_augment: f64,
    /// Blend pictures, by shares drawn from Beta(α, α) for this α; 0 for none.
    #[arg(long, value_name = "ALPHA", default_value_t = 0.8)]
    mixup: f64,
    /// Paste a rectangle of one picture into another, its area drawn from Beta(α, α) for this α; 0 for none.
    #[arg(long, value_name = "ALPHA", default_value_t = 1.0)]
    cutmix: f64,
    /// Part of a target that is shared out among all classes.
    #[arg(long, default_value_t = 0.1)]
    label_smoothing: f64,
    /// Part of a picture's area that a crop covers, at least; 1 for nearly whole pictures.
    #[arg(long, value_name = "PART", default_value_t = 0.08)]
    crop: f64,
    /// Seed of the classifier's weights, crops, augmentations, mixes and drops.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// cpu, vulkan[:N], wgpu[:N] or cuda[:N], as far as built in; several GPUs, separated by commas, share each batch.
    #[arg(long, value_delimiter = ',', default_value = CPU)]
    device: Vec<String>,
    /// Cores to train on, with --device cpu; all by default. The weights do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Threads that decode, crop and augment; by default one less than the machine has, at most 16.
    #[arg(long)]
    workers: Option<usize>,
    /// Memory for decoded pictures, in MiB.
    #[arg(long, default_value_t = 2048)]
    cache_mib: usize,
    /// Steps between checkpoints, beside those at the end of each epoch.
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<u64>,
    /// A file of these options: `epochs = 20` stands for `--epochs 20`. What is typed overrides it.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Go on from the newest checkpoint in the output folder, with the same options.
    #[arg(long)]
    resume: bool,
    /// Stop after this step, with a checkpoint; the schedule stays that of all epochs.
    #[arg(long, value_name = "STEP")]
    stop_after: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When an option is out of range, or training fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    for (name, number) in [
        ("--batch", Some(args.batch)),
        ("--accumulate", Some(args.accumulate)),
        ("--epochs", Some(args.epochs as usize)),
        ("--train-limit", args.train_limit),
        ("--test-limit", args.test_limit),
        ("--checkpoint-every", args.checkpoint_every.map(|steps| steps as usize)),
    ] {
        ensure!(number != Some(0), "{name} 0 does nothing: give at least 1");
    }
    ensure!((0.0..1.0).contains(&args.warmup), "--warmup {} is no part of the steps: give 0 to 1", args.warmup);
    ensure!(args.crop > 0.0 && args.crop <= 1.0, "--crop {} is no part of an area: give 0.01 to 1", args.crop);
    let several = args.device.len() > 1;
    ensure!(
        !several || args.device.iter().all(|device| device != CPU),
        "--device {}: GPUs can share a batch, the CPU cannot take part: leave {CPU} out",
        args.device.join(",")
    );
    try_device::trusted(&args.device, Products::F32)?;
    let samples = (args.batch * args.accumulate) as f64;
    let peak = args.learning_rate.unwrap_or(BASE_RATE * samples / BASE_SAMPLES);
    ensure!(peak >= 0.0 && peak.is_finite(), "--learning-rate {peak} is no rate: give a number such as 1e-3");
    let rand_augment = RandAugment::new(args.rand_augment)?;
    let mixing = Mixing::new(args.mixup, args.cutmix, args.label_smoothing)?;
    let random = |preset| SizeArgs::of(preset).spec().map(StartFrom::Random);
    let start = match (&args.start, args.preset) {
        (Some(path), _) => Some(StartFrom::Trained(path.clone())),
        (None, preset) => preset.map(random).transpose().context("the model's sizes do not fit together")?,
    };
    let data = args.labelled.read(args.seed)?;
    let limit = |limit: Option<usize>| limit.unwrap_or(usize::MAX);
    let data = data.limited(limit(args.train_limit), limit(args.test_limit), args.seed);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = Settings {
        out: args.out.clone(),
        start,
        epochs: args.epochs,
        batch: args.batch,
        accumulate: args.accumulate,
        peak,
        warmup: args.warmup,
        layer_decay: args.layer_decay,
        weight_decay: args.weight_decay,
        clip_norm: (args.clip > 0.0).then_some(args.clip),
        drop_path: args.drop_path,
        rand_augment,
        mixing,
        least_area: args.crop,
        seed: args.seed,
        devices: args.device.clone(),
        cores: args.threads.unwrap_or(cores),
        workers: args.workers.unwrap_or((cores - 1).clamp(1, 16)),
        cache_bytes: args.cache_mib << 20,
        checkpoint_every: args.checkpoint_every,
        resume: args.resume,
        stop_after: args.stop_after,
        command: command_line(),
    };
    println!("{}", finetune(&settings, &data)?.display());
    Ok(())
}
