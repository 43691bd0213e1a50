//! From what was typed to pictures to paint: which files, where they go, and what is hidden in each.

mod hole;
mod jobs;
mod sheet;

pub use hole::{Area, HoleFrom};
pub use jobs::{Job, Plan};
pub use sheet::side_by_side;
