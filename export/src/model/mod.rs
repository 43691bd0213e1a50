//! The model on burn: the same maths as the emitted graphs, with gradients.

mod answer;
mod block;
mod classifier;
mod encoder_alone;
mod init;
mod layer_norm;
mod mae;
pub mod parameters;
mod positions;
mod preset;
mod products;

pub use answer::{Answer, answer};
pub use classifier::ClassifierHead;
pub use encoder_alone::encoder_alone;
pub(crate) use init::normal;
pub use init::random_weights;
pub use mae::Mae;
pub use positions::{Positions, sin_cos_positions};
pub use preset::Preset;
pub use products::Products;
