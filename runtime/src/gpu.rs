//! The GPU engine: a fused graph as a list of dispatches over buffers that stay.
//!
//! The floor is what every GPU has that wgpu drives at all: no features, four storage buffers to a kernel, 16,352 bytes of
//! workgroup memory, 256 invocations to a workgroup. What a GPU has above it is used where it was measured to help.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `adapters.rs` | which GPUs there are |
//! | `context.rs` | a GPU that is open, and what has gone wrong on it |
//! | `kernels.rs` | the shaders, their constants and bindings |
//! | `params.rs` | the shaders' parameters, field by field |
//! | `compile.rs` | a fused graph to operations over values |
//! | `weights.rs` | weights in the shaders' order |
//! | `plan.rs` | operations to dispatches over buffers |
//! | `engine.rs` | frames through the dispatches |
//! | `golden.rs` | a model's right answers, asked for before it is trusted |
//! | `tuner.rs` | which kernels are fastest, measured once |
//! | `error.rs` | what can go wrong |

mod adapters;
mod compile;
mod context;
mod engine;
mod error;
mod golden;
mod kernels;
mod params;
mod plan;
#[cfg(test)]
mod tests;
mod tuner;
mod weights;

pub use adapters::{Adapter, adapters};
pub(crate) use engine::{Engine, Input, Settings, Want};
pub use error::GpuError;
pub(crate) use tuner::{Kept, cache_folder};
