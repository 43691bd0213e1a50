//! Training: batches in, checkpoints, metrics and pictures out.

pub mod checkpoint;
mod curve;
mod metrics;
mod optimizer;
mod preview;
mod progress;
mod run;
mod schedule;

pub use run::{Settings, run};
pub use schedule::Schedule;
