//! Photographs into training batches.

mod augment;
mod batch;
pub mod folder;
mod loader;
mod masks;
mod pictures;

pub use augment::Augment;
pub use batch::{Batch, BatchSpec, push_sample};
pub use loader::Loader;
pub use masks::{MaskKind, MaskSpec, RatioRange, draw_hidden};
pub use pictures::{Pictures, decode};
