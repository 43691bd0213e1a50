//! The inner loops of training a transformer block on a CPU: each operation in one pass forward and one back.
//!
//! They know slices alone. They are a crate of their own, so that they are compiled to vector code in every profile, and
//! in seconds.
#![cfg_attr(test, allow(clippy::float_cmp, reason = "what is to be the same is compared as the same"))]
#![allow(
    clippy::inline_always,
    reason = "what is called in a loop, and what is dispatched to a machine's vectors, is to become part of its vector code"
)]

pub mod adamw;
pub mod attention;
pub mod bias;
pub mod gelu;
pub mod layer_norm;
