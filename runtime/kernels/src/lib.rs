//! The inner loops of running a transformer on a CPU.
//!
//! They know numbers and matrices alone: no graph, no threads. They are a crate of their own, so that they are compiled to
//! vector code in every profile, and in seconds.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `family.rs` | [`Family`]: the CPUs that there are kernels for |
//! | `int8/` | a linear layer with int8 weights: rows quantized as they come, the answer finished as it is made |
//! | `linear.rs` | a linear layer with f32 weights |
//! | `finish.rs` | what becomes of either's answer: GELU, a residual |
//! | `attention.rs` | a head's attention |
//! | `layer_norm.rs` | layer norm |
//! | `membrane/` | the smoothest surface through the values around a hole |
//! | `product.rs` | matrix products in f32 |
//! | `resize/` | a part of a frame, resized |
//! | `fetch.rs` | memory on its way to the cache |
//! | `math.rs` | e^x and the normal distribution, as vector code |
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::float_cmp,
        reason = "tests unwrap freely, and what is to be the same is compared as the same"
    )
)]
#![allow(
    clippy::inline_always,
    reason = "what is called in a loop, and what is dispatched to a machine's vectors, is to become part of its vector code"
)]

pub mod attention;
mod family;
mod fetch;
mod finish;
pub mod int8;
pub mod layer_norm;
pub mod linear;
pub mod math;
mod membrane;
pub mod product;
pub mod resize;
pub mod vectorized;

pub use family::Family;
pub use finish::{Finish, Rows};
pub use membrane::Membrane;
