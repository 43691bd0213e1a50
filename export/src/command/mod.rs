//! The program's commands, one a file.

pub mod emit;
pub mod probe;
pub mod quantize;
pub mod train;
pub mod verify;
