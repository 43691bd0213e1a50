//! The model on burn: the same maths as the emitted graphs, with gradients.

mod answer;
mod block;
mod init;
mod layer_norm;
mod mae;
pub mod parameters;
mod positions;
mod preset;
mod products;

pub use answer::{Answer, answer};
pub use init::random_weights;
pub use mae::Mae;
pub use positions::sin_cos_positions;
pub use preset::Preset;
pub use products::Products;
