//! Training: batches in, checkpoints, metrics and pictures out.

mod adamw;
mod average;
pub mod checkpoint;
mod crew;
mod curve;
mod metrics;
mod optimizer;
mod preview;
mod progress;
mod run;
mod schedule;

pub use crew::{Crew, Step};
pub use optimizer::adamw;
pub use run::{Settings, run};
pub use schedule::Schedule;
