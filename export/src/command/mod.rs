//! The program's commands, one a file.

mod blend;
pub mod emit;
pub mod finetune;
pub mod import;
mod labelled;
pub mod probe;
pub mod quantize;
pub mod recipe;
mod sizes;
pub mod speed;
pub mod train;
pub mod try_device;
pub mod verify;
