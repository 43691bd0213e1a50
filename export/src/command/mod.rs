//! The program's commands, one a file.

pub mod emit;
pub mod import;
pub mod quantize;
pub mod train;
pub mod verify;
