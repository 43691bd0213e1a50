//! From pictures to a file of features.
//!
//! | file | stage |
//! | --- | --- |
//! | `inputs.rs` | which pictures, and which of them are this shard's |
//! | `recipe.rs` | what is computed, so that a run that stopped goes on as the same run |
//! | `compute.rs` | pictures to rows, on all threads, in the order listed |
//! | `part.rs` | the rows so far, on disk |
//! | `sink/` | all rows to a file: `.npy`, `.parquet` or `.jsonl` |

mod compute;
mod inputs;
mod part;
mod recipe;
mod sink;

pub use compute::{Computed, compute};
pub use inputs::{Input, Shard, fingerprint, inputs};
pub use part::{Existing, Part};
pub use recipe::{Keep, Recipe};
pub use sink::{Kind, npy};
