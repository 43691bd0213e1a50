//! What decides a run.

use std::path::PathBuf;

use super::mix::Mixing;
use super::rand_augment::RandAugment;
use super::start::StartFrom;
use crate::data::Labelled;
use crate::train::Schedule;

/// Everything that decides what a run does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where checkpoints and metrics go.
    pub out: PathBuf,
    /// What to start from; a run that goes on has it in its checkpoint.
    pub start: Option<StartFrom>,
    /// Times that every picture is seen.
    pub epochs: u64,
    /// Samples in a batch.
    pub batch: usize,
    /// Batches whose gradients make one step.
    pub accumulate: usize,
    /// Learning rate of the classifier at the end of the warm-up.
    pub peak: f64,
    /// Part of the steps that the learning rate rises.
    pub warmup: f64,
    /// What each layer takes of the learning rate of the one behind it.
    pub layer_decay: f64,
    /// Weight decay of the matrices.
    pub weight_decay: f32,
    /// Largest norm of the whole gradient; none for no clipping.
    pub clip_norm: Option<f64>,
    /// How likely the last block's branches are dropped.
    pub drop_path: f64,
    /// How far colours and geometry of crops are changed.
    pub rand_augment: RandAugment,
    /// How pictures and their targets are mixed.
    pub mixing: Mixing,
    /// Part of a picture's area that a crop covers, at least.
    pub least_area: f64,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// Devices, by name; the cores of the CPU are one.
    pub devices: Vec<String>,
    /// Cores to train on, where the device is the CPU.
    pub cores: usize,
    /// Threads that decode, crop and augment.
    pub workers: usize,
    /// Memory for decoded pictures, in bytes.
    pub cache_bytes: usize,
    /// Steps between checkpoints; the end of each epoch is one in any case.
    pub checkpoint_every: Option<u64>,
    /// Go on from the newest checkpoint in `out`.
    pub resume: bool,
    /// Stop after this step, as if interrupted there.
    pub stop_after: Option<u64>,
    /// The command line, for the model card; a run that goes on has its first one.
    pub command: String,
}

impl Settings {
    /// Samples whose gradients make one step.
    #[must_use]
    pub const fn samples_a_step(&self) -> u64 {
        (self.batch * self.accumulate) as u64
    }

    /// Steps until the end of that epoch; the last of them may reach into the next one.
    #[must_use]
    pub const fn steps_until(&self, data: &Labelled, epoch: u64) -> u64 {
        (epoch * data.train.len() as u64).div_ceil(self.samples_a_step())
    }

    /// The learning rate of each step.
    #[must_use]
    pub fn schedule(&self, data: &Labelled) -> Schedule {
        let steps = self.steps_until(data, self.epochs);
        Schedule { peak: self.peak, warmup_steps: (self.warmup * steps as f64).round() as u64, steps }
    }
}
