//! Scalar twins of the fast code: written to be read, and to be compared with in tests.
//!
//! A function here has the name and the argument order of what it explains. It takes its inputs as given: where its twin
//! returns an error, it panics. Sums are kept in f64, so that what it answers is the formula's value and not an order of
//! summation's.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `normalize.rs` | bytes to normalized values |
//! | `patchify.rs` | between an image and its patches |
//! | `planes.rs`, `composite.rs` | a picture with hidden patches, and with painted ones |
//! | `pixels.rs` | hidden pixels to hidden patches |
//! | `linear.rs`, `layer_norm.rs`, `gelu.rs`, `attention.rs` | a transformer's operators |
//! | `place.rs`, `restore.rs` | what stands before a model's first block |
//! | `transformer.rs` | [`encoder`] and [`decoder`]: the whole model |
//! | `classifier.rs` | [`classifier`]: tokens to classes |
//! | `tolerance.rs` | [`tolerance`]: how close is close enough |
//! | `weights.rs` | [`Weights`]: a graph's weights by name |

mod attention;
mod classifier;
mod composite;
mod gelu;
mod layer_norm;
mod linear;
mod normalize;
mod patchify;
mod pixels;
mod place;
mod planes;
mod restore;
pub mod tolerance;
mod transformer;
mod weights;

pub use attention::attention;
pub use classifier::classifier;
pub use composite::composite;
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use normalize::normalize;
pub use patchify::{patchify, unpatchify};
pub use pixels::hidden_from_pixels;
pub use place::place;
pub use planes::planes;
pub use restore::restore;
pub use transformer::{decoder, encoder};
pub use weights::Weights;
