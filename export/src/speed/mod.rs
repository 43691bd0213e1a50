//! How fast a model trains and answers on this machine, beside what the machine could do.

mod floor;
mod forward;

use std::time::Instant;

use anyhow::{Context, ensure};
use burn::optim::GradientsParams;
use burn::tensor::Device;
use glimpse_models::{ModelSpec, Transformer};
use glimpse_runtime::peak_memory_bytes;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

pub use floor::{matmul_flops_per_s, training_flops};
pub use forward::encode_times_ms;

use crate::data::{Batch, MaskKind, check_grid, draw_hidden, push_sample};
use crate::model::{Mae, Products, random_weights};
use crate::train::{Crew, adamw};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The model.
    pub spec: ModelSpec,
    /// Samples in a batch.
    pub batch: usize,
    /// Part of the patches that is hidden.
    pub ratio: f64,
    /// Steps that are timed, after one that is not.
    pub steps: usize,
    /// How far a step goes.
    pub learning_rate: f64,
    /// Numbers that matrix products are computed in.
    pub products: Products,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// Samples a second: forward, backward and optimizer, the median step.
    pub images_per_s: f64,
    /// The fastest and the slowest step, in samples a second.
    pub range: [f64; 2],
    /// Floating-point operations that a sample takes, forward and backward, matrix products alone.
    pub flops_per_image: f64,
    /// What the device does in a large matrix product, in floating-point operations a second; none where the products are wrong.
    pub matmul_flops_per_s: Option<f64>,
    /// The part of that which training reaches.
    pub of_floor: Option<f64>,
    /// The most memory that the process held while it trained, in bytes; none where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// The sizes that were trained with.
    pub shapes: Shapes,
}

/// Sizes of a model and its input, for those who measure the same elsewhere.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Shapes {
    /// Visible patches.
    pub visible: usize,
    /// Hidden patches.
    pub hidden: usize,
    /// Values in a patch.
    pub patch_len: usize,
    /// Width, depth and heads of the encoder.
    pub encoder: [usize; 3],
    /// Width, depth and heads of the decoder.
    pub decoder: [usize; 3],
}

impl Shapes {
    fn of(spec: &ModelSpec, hidden: usize) -> anyhow::Result<Self> {
        let sizes = |stack: Transformer| [stack.width, stack.depth, stack.heads];
        let grid = spec.grid();
        Ok(Self {
            visible: grid.len() - hidden,
            hidden,
            patch_len: grid.patch_len(),
            encoder: sizes(spec.encoder()),
            decoder: sizes(spec.decoder().context("the spec has no decoder")?),
        })
    }
}

/// A step that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What forward, backward and optimizer took.
    pub seconds: f64,
    /// The batch's loss before it.
    pub loss: f64,
}

/// Takes one step of training more than the trial times, on made-up pictures: the loader has no part in it.
///
/// # Errors
/// When the spec has no decoder or one patch alone, or there is nothing to time.
pub fn take_steps(trial: &Trial, crew: &Crew, device: &Device) -> anyhow::Result<Vec<Step>> {
    ensure!(trial.steps > 0 && trial.batch > 0, "no steps of no samples: give at least 1 of each");
    let spec = &trial.spec;
    check_grid(&spec.grid())?;
    let mut model = Mae::from_weights(spec, &random_weights(spec, 0)?, device)?.with_products(trial.products);
    let mut optimizer = adamw(&model, 0.05);
    let batch = made_up(trial)?;
    let mut steps = Vec::new();
    for _ in 0..=trial.steps {
        let started = Instant::now();
        let found = crew.step(&model, &batch, 1.0)?;
        let grads: GradientsParams = found.grads;
        model = optimizer.step(trial.learning_rate, model, grads);
        // reading the loss back waits for the device
        let loss = found.loss.into_data().convert::<f64>().try_into_vec::<f64>();
        let loss = loss.ok().and_then(|loss| loss.first().copied()).context("reading the loss back")?;
        steps.push(Step { seconds: started.elapsed().as_secs_f64(), loss });
    }
    Ok(steps)
}

/// Times steps of training.
///
/// # Errors
/// Those of [`take_steps`].
pub fn measure(trial: &Trial, crew: &Crew, device: &Device) -> anyhow::Result<Speed> {
    let mut seconds: Vec<f64> = take_steps(trial, crew, device)?.iter().skip(1).map(|step| step.seconds).collect();
    // before the large matrix products, which take memory of their own
    let peak_memory_bytes = peak_memory_bytes();
    seconds.sort_by(f64::total_cmp);
    let pace = |seconds: f64| trial.batch as f64 / seconds;
    let (first, last) = (seconds.first(), seconds.last());
    let (fastest, slowest) = first.zip(last).context("no step was timed")?;
    let images_per_s = pace(seconds[seconds.len() / 2]);
    let spec = &trial.spec;
    let hidden = hidden(trial);
    let flops_per_image = training_flops(spec, hidden);
    let matmul_flops_per_s = matmul_flops_per_s(device, trial.products);
    Ok(Speed {
        images_per_s,
        range: [pace(*slowest), pace(*fastest)],
        flops_per_image,
        matmul_flops_per_s,
        of_floor: matmul_flops_per_s.map(|pace| images_per_s * flops_per_image / pace),
        peak_memory_bytes,
        shapes: Shapes::of(spec, hidden)?,
    })
}

/// Patches that are hidden of each picture.
fn hidden(trial: &Trial) -> usize {
    let len = trial.spec.grid().len();
    ((trial.ratio * len as f64).round() as usize).clamp(1, len - 1)
}

fn made_up(trial: &Trial) -> anyhow::Result<Batch> {
    let mut rng = Pcg64::seed_from_u64(0);
    let (spec, grid) = (&trial.spec, trial.spec.grid());
    let mut batch = Batch { size: trial.batch, ..Batch::default() };
    for _ in 0..trial.batch {
        let pixels: Vec<u8> = (0..spec.image_side().pow(2) * 3).map(|_| rng.random()).collect();
        push_sample(&mut batch, spec, &pixels, &draw_hidden(&grid, hidden(trial), MaskKind::Random, &mut rng))?;
    }
    Ok(batch)
}
