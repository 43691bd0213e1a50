//! The CPU engine: ONNX graphs run by tract.

mod buffer;
mod classifier;
mod fuse;
mod plan;
mod threads;

pub(crate) use buffer::Buffer;
pub(crate) use classifier::ClassifierPlan;
pub(crate) use plan::Plan;
pub(crate) use threads::Threads;
