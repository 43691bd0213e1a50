//! The CPU engine: ONNX graphs run by tract.

mod arithmetic;
mod buffer;
mod classifier;
mod fuse;
mod network;
mod ops;
mod plan;
mod threads;

pub(crate) use arithmetic::Arithmetic;
pub(crate) use buffer::Buffer;
pub(crate) use classifier::ClassifierPlan;
pub use fuse::Step;
pub(crate) use network::Network;
pub(crate) use plan::Plan;
pub use threads::Threads;
