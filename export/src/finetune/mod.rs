//! Fine-tuning: a trained encoder and labelled pictures in, a model that tells classes apart out.
//!
//! | file | what it does |
//! | --- | --- |
//! | `start.rs` | trained or random weights → an encoder with a fresh classifier behind it |
//! | `batch.rs` | labelled pictures → batches: crops, targets, and what stochastic depth drops |
//! | `rand_augment/` | a crop → the same with other colours and geometry |
//! | `mix.rs` | mixup, cutmix and label smoothing |
//! | `drop_path.rs` | which branches of which blocks a sample goes without |
//! | `model.rs` | encoder and classifier in one, and the loss |
//! | `layer_decay.rs` | a learning rate for each layer |
//! | `evaluate.rs` | the pictures to be asked about → loss and accuracy |
//! | `report.rs` | what is said of an epoch, and of the model at last |
//! | `settings.rs` | what decides a run |
//! | `run.rs` | the loop: batches → checkpoints and metrics |

mod batch;
mod drop_path;
mod evaluate;
mod layer_decay;
mod mix;
mod model;
mod rand_augment;
mod report;
mod run;
mod settings;
mod start;

pub use batch::{Batch, BatchSpec, Builder};
pub use drop_path::DropPath;
pub use evaluate::{Seen, evaluate};
pub use layer_decay::LayerDecay;
pub use mix::{Mix, Mixing};
pub use model::{FineTuned, soft_cross_entropy};
pub use rand_augment::RandAugment;
pub use report::EpochLine;
pub use run::run;
pub use settings::Settings;
pub use start::{Start, StartFrom};

#[cfg(test)]
mod tests;
