//! `glimpse-export train`: photographs into a checkpoint.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use glimpse_export::data::{BatchSpec, MaskKind, MaskSpec, RatioRange};
use glimpse_export::model::Preset;
use glimpse_export::train::{Schedule, Settings, run as train};
use glimpse_models::{Family, ModelSpec, RawSpec, Transformer};

/// Mean of `ImageNet`'s pixels, by channel, on the unit scale.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Deviation of `ImageNet`'s pixels, by channel.
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Hidden width of a block's perceptron, in widths.
const MLP_RATIO: usize = 4;
/// The paper's epsilon in every layer norm.
const LAYER_NORM_EPSILON: f64 = 1e-6;

/// Trains a masked autoencoder on a folder of photographs.
///
/// Each twentieth picture in name order is kept for validation and never trained on. The output folder gets the newest
/// checkpoints, metrics.csv, loss.png and a contact sheet (masked, painted, original) of validation pictures.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Folder tree of JPEG, PNG and WebP pictures.
    data: PathBuf,
    /// Folder for checkpoints, metrics and pictures.
    #[arg(short, long)]
    out: PathBuf,
    /// Sizes of the model; each can be changed below.
    #[arg(long, value_enum, default_value = "tiny")]
    preset: Preset,
    /// Side of the square picture, in pixels.
    #[arg(long)]
    image_side: Option<usize>,
    /// Side of a patch, in pixels.
    #[arg(long)]
    patch_side: Option<usize>,
    /// Width of the encoder.
    #[arg(long)]
    width: Option<usize>,
    /// Blocks of the encoder.
    #[arg(long)]
    depth: Option<usize>,
    /// Attention heads of the encoder.
    #[arg(long)]
    heads: Option<usize>,
    /// Width of the decoder.
    #[arg(long)]
    decoder_width: Option<usize>,
    /// Blocks of the decoder.
    #[arg(long)]
    decoder_depth: Option<usize>,
    /// Attention heads of the decoder.
    #[arg(long)]
    decoder_heads: Option<usize>,
    /// Predict patches normalized one by one: better features, but such a model cannot paint.
    #[arg(long)]
    norm_pix: bool,
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
    /// cpu, vulkan[:N], wgpu[:N] or cuda[:N], as far as built in.
    #[arg(long, default_value = "cpu")]
    device: String,
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
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = Settings {
        batch: BatchSpec {
            model: spec(args).context("the model's sizes do not fit together")?,
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
        device: args.device.clone(),
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

fn spec(args: &Args) -> anyhow::Result<ModelSpec> {
    let sizes = args.preset.sizes();
    let [width, depth, heads] = sizes.encoder;
    let [decoder_width, decoder_depth, decoder_heads] = sizes.decoder;
    Ok(ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: args.image_side.unwrap_or(sizes.image_side),
        patch_side: args.patch_side.unwrap_or(sizes.patch_side),
        encoder: Transformer {
            width: args.width.unwrap_or(width),
            depth: args.depth.unwrap_or(depth),
            heads: args.heads.unwrap_or(heads),
        },
        decoder: Some(Transformer {
            width: args.decoder_width.unwrap_or(decoder_width),
            depth: args.decoder_depth.unwrap_or(decoder_depth),
            heads: args.decoder_heads.unwrap_or(decoder_heads),
        }),
        mlp_ratio: MLP_RATIO,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        norm_pix: args.norm_pix,
        layer_norm_epsilon: LAYER_NORM_EPSILON,
    })?)
}

/// The command as it was typed, the program by its name alone and folders by theirs: cards carry no path of a machine.
fn command_line() -> String {
    let mut words: Vec<String> = std::env::args().collect();
    for word in &mut words {
        if word.starts_with('/')
            && let Some(name) = word.trim_end_matches('/').rsplit('/').next()
        {
            *word = name.to_owned();
        }
    }
    words.join(" ")
}
