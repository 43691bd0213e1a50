//! Photographs into training batches, and labelled sets.

mod augment;
mod batch;
pub mod folder;
mod idx;
mod labelled;
mod listing;
mod loader;
mod masks;
mod pictures;

pub use augment::Augment;
pub use batch::{Batch, BatchSpec, Builder, push_sample};
pub(crate) use batch::{Order, mixed, push_patches, whole_picture};
pub use idx::Idx;
pub use labelled::{Example, Labelled};
pub use listing::Listing;
pub use loader::{Build, Loader};
pub use masks::{MaskKind, MaskSpec, RatioRange, check_grid, draw_hidden};
pub use pictures::{Decode, Pictures, decode};
