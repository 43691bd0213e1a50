//! The CPU engine: ONNX graphs run by tract.

mod buffer;
mod plan;
mod threads;

pub(crate) use buffer::Buffer;
pub(crate) use plan::Plan;
pub(crate) use threads::Threads;
