//! A linear layer with int8 weights.
//!
//! Each row of the input is quantized to bytes as it comes, with a scale and a zero of its own, so that one outlier spoils
//! no other row. Bytes are multiplied and summed up in i32, which is exact; a tile of sums is scaled, biased and finished
//! while it is warm. So every family of CPUs gives the same answer, bit for bit, and so does every split of the work.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `weights.rs` | [`Weights`]: packed once, for one family |
//! | `rows.rs` | rows of f32 to bytes |
//! | `linear.rs` | the walk over tiles, and what becomes of a tile's sums |
//! | `dot/` | a tile's sums, one file a family; all of the crate's `unsafe` |

mod dot;
mod linear;
mod rows;
mod weights;

#[cfg(test)]
mod tests;

pub use linear::{Scratch, linear};
pub use weights::{MOST_INPUTS, Weights};
