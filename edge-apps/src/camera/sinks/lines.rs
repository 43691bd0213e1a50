//! Features as JSON, a line a frame.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;

use super::file::{Records, Whole};
use super::output::Output;
use super::rotate::Rotate;
use super::{Item, Sink};

/// What is said of a frame.
#[derive(Debug, Serialize)]
pub struct Row {
    /// As the source is called.
    pub source: String,
    /// Which of the source's frames, from 0; those that were dropped count.
    pub frame: u64,
    /// Seconds since 1970, of the frame's capture.
    #[serde(serialize_with = "seconds")]
    pub captured: SystemTime,
    /// Of the encoder's graph.
    pub model_sha256: String,
    pub preprocess_version: u32,
    /// Places of the patches that were looked at, counted along the rows of the grid.
    pub patches: Vec<usize>,
    /// One row, or one a token.
    pub features: Features,
}

/// Numbers of a frame.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Features {
    Row(Vec<f32>),
    Tokens(Vec<Vec<f32>>),
}

/// Seconds since 1970, to the microsecond.
pub fn seconds<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_f64((since.as_secs_f64() * 1e6).round() / 1e6)
}

/// Lines.
pub struct Lines {
    records: Records,
    line: Vec<u8>,
}

impl Lines {
    /// # Errors
    /// When the output cannot be begun.
    pub fn new(output: &Output, rotate: Option<Rotate>) -> Result<Self> {
        Ok(Self { records: Records::new(output.path(), rotate, Whole::Lines)?, line: Vec::new() })
    }
}

impl Sink for Lines {
    fn take(&mut self, item: &Item) -> Result<()> {
        let Item::Row(row) = item else { return Ok(()) };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &**row)?;
        self.line.push(b'\n');
        Ok(self.records.add(&self.line)?)
    }

    fn is_due(&self) -> bool {
        self.records.is_due()
    }

    fn keep(&mut self) -> Result<()> {
        if self.is_due() {
            return self.records.rotate();
        }
        Ok(self.records.keep()?)
    }

    fn finish(self: Box<Self>, succeeded: bool) -> Result<()> {
        self.records.finish(succeeded)
    }
}
