//! One file a command: its arguments and what it does.

pub mod bench;
pub mod camera;
pub mod classify;
pub mod completions;
pub mod features;
pub mod info;
pub mod inpaint;
pub mod install_service;
pub mod man;
