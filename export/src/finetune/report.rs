//! What is said of a run: a line an epoch, and the accuracy that its bundle tells of.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, ensure};
use burn::tensor::Tensor;
use glimpse_models::Measure;
use serde::{Deserialize, Serialize};

use super::evaluate::Seen;
use crate::train::Line;

/// One line of `metrics.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// Epochs done.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Learning rate of the classifier in the last of them.
    pub learning_rate: f64,
    /// Cross entropy with the mixed targets over the epoch's steps, or those since the run went on, in nats.
    pub train_loss: f64,
    /// Cross entropy on the pictures to be asked about, in nats.
    pub test_loss: f64,
    /// Pictures to be asked about whose likeliest class is the right one, in percent.
    pub test_top1_percent: f64,
    /// Samples a second over the epoch's steps.
    pub images_per_s: f64,
}

impl EpochLine {
    /// The line in words.
    #[must_use]
    pub fn words(&self, epochs: u64) -> String {
        let Self { epoch, train_loss, test_loss, test_top1_percent, images_per_s, .. } = self;
        format!(
            "epoch {epoch}/{epochs}  loss {train_loss:.4}  test {test_loss:.4}  top-1 {test_top1_percent:.2}%  \
             {images_per_s:.1} images/s"
        )
    }
}

impl Line for EpochLine {
    fn step(&self) -> u64 {
        self.step
    }
}

/// The measured accuracy, under the name that a bundle's manifest has it by.
#[must_use]
pub fn accuracy(data: &str, seen: &Seen) -> (String, Measure) {
    let name = format!("{data}, {} asked about", seen.pictures);
    let table = BTreeMap::from([(name, Measure::Number((100.0 * seen.top1_percent).round() / 100.0))]);
    ("top1_accuracy_percent".to_owned(), Measure::Table(table))
}

/// Losses of the steps since a line of the metrics, read back now and then: that waits for the device.
pub struct Losses {
    unread: Vec<Tensor<1>>,
    sum: f64,
    steps: u64,
    started: Instant,
}

impl Losses {
    /// None yet.
    #[must_use]
    pub fn start() -> Self {
        Self { unread: Vec::new(), sum: 0.0, steps: 0, started: Instant::now() }
    }

    /// One more.
    pub fn push(&mut self, loss: Tensor<1>) {
        self.unread.push(loss);
        self.steps += 1;
    }

    /// How many there are.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Seconds since the start.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Their mean.
    ///
    /// # Errors
    /// When it is no number, or cannot be read back.
    pub fn mean(&mut self, step: u64) -> anyhow::Result<f64> {
        if !self.unread.is_empty() {
            let sum = Tensor::cat(std::mem::take(&mut self.unread), 0).sum();
            let sum = sum.into_data().convert::<f64>().try_into_vec::<f64>();
            self.sum += sum.ok().and_then(|sum| sum.first().copied()).context("reading the loss back")?;
        }
        ensure!(
            self.sum.is_finite(),
            "the loss is no number at step {step}: lower --learning-rate and go on with --resume"
        );
        Ok(self.sum / self.steps as f64)
    }
}
