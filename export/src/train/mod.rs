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
mod start;

pub use crew::{Crew, Learner, Step};
pub(crate) use metrics::{Line, Metrics};
pub use optimizer::adamw;
pub(crate) use optimizer::adamw_with;
pub(crate) use progress::Progress;
pub use run::{Settings, run};
pub use schedule::Schedule;
