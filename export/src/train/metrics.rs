//! What a run measured of itself: a CSV file that is cut back to the checkpoint when the run goes on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A line of a run's metrics.
pub trait Line: Serialize + DeserializeOwned {
    /// Steps done.
    fn step(&self) -> u64;
}

/// One line of `metrics.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Steps done.
    pub step: u64,
    /// Times that every picture has been seen.
    pub epoch: f64,
    /// Mean squared error of the hidden patches over the steps since the last line (normalized pixels squared).
    pub loss: f64,
    /// Learning rate of the last of those steps.
    pub learning_rate: f64,
    /// Crops a second since the last line.
    pub images_per_s: f64,
    /// Part of the time for which the device waited for data.
    pub waiting: f64,
    /// The same error on the validation pictures, where it was measured.
    pub validation_loss: Option<f64>,
    /// Masked PSNR on the validation pictures in dB, where it was measured and the model predicts plain pixels.
    pub validation_psnr_db: Option<f64>,
}

impl Line for Row {
    fn step(&self) -> u64 {
        self.step
    }
}

/// The rows of a run and the file they are kept in.
pub struct Metrics<R = Row> {
    path: PathBuf,
    rows: Vec<R>,
}

impl<R: Line> Metrics<R> {
    /// Opens the metrics of the run in that folder and drops what lies after `step`.
    ///
    /// # Errors
    /// When the file there cannot be read.
    pub fn open(run: &Path, step: u64) -> anyhow::Result<Self> {
        let path = run.join("metrics.csv");
        let mut rows = Vec::new();
        if path.exists() {
            let reading = || format!("reading {}", path.display());
            for row in csv::Reader::from_path(&path).with_context(reading)?.deserialize() {
                rows.push(row.with_context(reading)?);
            }
        }
        rows.retain(|row: &R| row.step() <= step);
        Ok(Self { path, rows })
    }

    /// Adds a row and writes the file anew.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, row: R) -> anyhow::Result<()> {
        self.rows.push(row);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(row)?;
        }
        let bytes = writer.into_inner().context("closing the metrics")?;
        let beside = self.path.with_extension("csv.new");
        fs::write(&beside, bytes)
            .and_then(|()| fs::rename(&beside, &self.path))
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// All rows, oldest first.
    #[must_use]
    pub fn rows(&self) -> &[R] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> Row {
        Row {
            step,
            epoch: 0.5,
            loss: 1.25,
            learning_rate: 1e-3,
            images_per_s: 20.0,
            waiting: 0.0,
            validation_loss: step.is_multiple_of(2).then_some(0.75),
            validation_psnr_db: None,
        }
    }

    #[test]
    fn rows_come_back_and_those_after_the_checkpoint_do_not() {
        let run = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::open(run.path(), 0).unwrap();
        for step in 1..=4 {
            metrics.push(row(step)).unwrap();
        }
        let again: Metrics = Metrics::open(run.path(), 3).unwrap();
        assert_eq!(again.rows(), [row(1), row(2), row(3)]);
    }
}
