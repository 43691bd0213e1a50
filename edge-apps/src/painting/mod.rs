//! From what was typed to pictures to paint: which files, where they go, what is hidden in each,
//! and what paints it.

mod hole;
mod jobs;
mod method;
mod sheet;

pub use hole::{Area, HoleFrom, THRESHOLD};
pub use jobs::{Existing, Job, Plan};
pub use method::{Asked, Painter};
pub use sheet::{side_by_side, side_by_side_px};
