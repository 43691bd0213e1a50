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
//! | `blocks.rs` | transformer blocks in one operation each |
//! | `weights.rs` | weights in the shaders' order |
//! | `loaded.rs` | a part's operations, their weights on the GPU |
//! | `layout.rs` | which values share a buffer |
//! | `jobs.rs` | what a dispatch does |
//! | `sequence.rs` | dispatches one after another |
//! | `indices.rs` | places of patches, on the GPU |
//! | `plan.rs` | operations to dispatches over buffers |
//! | `uploads.rs` | what goes to the GPU with each frame |
//! | `parts.rs` | which of a frame's bytes go there |
//! | `frames.rs` | a camera's frame to patches, and painted patches to a picture |
//! | `membrane.rs` | where the grids of the membrane lie |
//! | `engine.rs` | tasks through the dispatches |
//! | `profile.rs` | where a frame's time goes on a GPU |
//! | `golden.rs` | a model's right answers, asked for before it is trusted |
//! | `tuner.rs` | which kernels are fastest, measured once |
//! | `kept.rs` | what was measured, from start to start |
//! | `compiled.rs` | what a driver compiled, from start to start |
//! | `error.rs` | what can go wrong |

mod adapters;
mod blocks;
mod compile;
mod compiled;
mod context;
mod engine;
mod error;
mod frames;
mod golden;
mod indices;
mod jobs;
mod kept;
mod kernels;
mod layout;
mod loaded;
mod membrane;
mod params;
mod parts;
mod plan;
mod profile;
mod sequence;
#[cfg(test)]
mod tests;
mod tuner;
mod uploads;
mod weights;

pub use adapters::{Adapter, adapters};
pub(crate) use engine::{Answer, Engine, Settings, Task};
pub use error::GpuError;
pub(crate) use kept::{Kept, cache_folder};
pub use profile::{GpuCeilings, KernelTime};
pub(crate) use tuner::least_time;
