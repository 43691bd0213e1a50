//! Public checkpoints to bundles: tensors by other people's names in, ours out.
//!
//! A file is never held whole: its tensors are listed, checked against what the model needs, and read one by one.
//!
//! | file | what it does |
//! | --- | --- |
//! | `source.rs` | which files a path means, and what lies beside them |
//! | `store.rs`, `safetensors.rs`, `pytorch/` | the tensors of files, none of them read yet |
//! | `config.rs` | what Hugging Face and timm write into `config.json` |
//! | `layout.rs` | how each layout names a tensor |
//! | `sizes.rs` | the model's sizes, from its tensors' shapes |
//! | `recipe.rs` | our tensors, from theirs |
//! | `matched.rs` | their tensors beside what the model needs |
//! | `positions.rs` | tables of positions: whose they are, and other picture sizes |
//! | `plan.rs` | all of it put together: what the model is, and its weights on demand |
//! | `bundle.rs` | the plan carried out: a bundle and a report |

mod bundle;
mod config;
mod layout;
mod matched;
mod plan;
mod positions;
mod pytorch;
mod recipe;
mod safetensors;
mod sizes;
mod source;
mod store;

pub use bundle::{Form, Report, bundle};
pub use layout::Layout;
pub use plan::{Options, Plan};
