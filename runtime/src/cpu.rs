//! The CPU engine: ONNX graphs run by tract.

mod arithmetic;
mod buffer;
mod classifier;
mod network;
mod ops;
mod plan;
mod read;
mod threads;

pub(crate) use arithmetic::Arithmetic;
pub(crate) use buffer::Buffer;
pub(crate) use classifier::ClassifierPlan;
pub(crate) use network::Network;
pub(crate) use plan::Plan;
pub use threads::Threads;
