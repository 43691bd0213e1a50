//! Runs masked autoencoders: frames in, features or reconstructions out.
//!
//! A masked autoencoder sees some patches of a picture and knows the rest. Its encoder reads the visible patches alone,
//! so what it costs falls with what it is shown.
//!
//! ```
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
//! use glimpse_models::Bundle;
//! use glimpse_runtime::{Mask, Model, Options, Preprocessor, patchify, unpatchify};
//! use ndarray::Array3;
//!
//! let bundle = Bundle::open("models/glimpse-tiny")?;
//! let mut model = Model::load(&bundle, &Options::default())?;
//! let mut preprocessor = Preprocessor::new(model.spec());
//! let mask = Mask::random(model.grid(), 0.75, 7)?;
//!
//! let frame = Array3::<u8>::zeros((480, 640, 3)); // from a camera, say
//! let image = preprocessor.image_from_frame(frame.view())?; // [3, S, S]
//! let patches = patchify(image, model.grid())?; // [L, P·P·3]
//! let tokens = model.encode(patches.view(), &mask)?; // [N+1, C]: features
//! let painted = model.reconstruct(patches.view(), &mask)?; // [L, P·P·3]
//! let picture = preprocessor.frame_from_image(unpatchify(painted, mask.grid())?.view())?; // [S, S, 3]
//! # assert_eq!(picture.dim(), (model.spec().image_side(), model.spec().image_side(), 3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The files stand in the order of that flow:
//!
//! | file | what it holds |
//! | --- | --- |
//! | `frame.rs` | [`Frame`]: a camera's frame, in the layout that it comes in |
//! | `preprocess.rs` | [`Preprocessor`]: a frame to a model's image, and back |
//! | `patchify.rs` | [`patchify`], [`unpatchify`]: an image to patches, and back |
//! | `mask.rs` | [`Mask`]: which patches are visible |
//! | `motion.rs` | [`MotionBudget`]: which patches changed |
//! | `model.rs` | [`Model`]: patches to features or to all patches |
//! | `stream.rs` | [`Stream`]: a camera's frames through a model |
//! | `golden.rs` | [`Golden`]: how far a model is from its bundle's right answers |
//! | `graph.rs` | [`Graph`]: any ONNX file, run by the same engine |
//! | `pool.rs` | [`Pool`]: all of a picture's tokens to one row |
//! | `fuse.rs` | groups of a graph's operators, made into one of ours each |
//! | `cpu.rs` | the engine on the CPU |
//! | `gpu.rs` | the engine on the GPU |
//! | `base.rs` | [`BaseSolver`]: what the model's answer is added to, if to anything |
//! | `composite.rs` | [`composite`]: painted pixels into the picture, in the hole alone |
//! | `inpaint/` | [`inpaint`]: holes of any shape in pictures of any size |
//! | `machine.rs` | [`Machine`]: what the CPU can do; [`peak_memory_bytes`] |
//! | `reference.rs` | [`mod@reference`]: a scalar twin of each of these, that tests compare with |
//! | `error.rs` | [`Error`]: one variant for each way any of this can fail |
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_cmp,
        reason = "tests unwrap freely, and what is to be the same is compared as the same"
    )
)]

mod base;
mod composite;
mod cpu;
mod error;
mod frame;
mod fuse;
mod golden;
#[cfg(feature = "gpu")]
mod gpu;
mod graph;
pub mod inpaint;
mod machine;
mod mask;
mod model;
mod motion;
mod patchify;
mod pool;
mod preprocess;
pub mod reference;
mod stream;

pub use base::{BaseSolver, base_patches};
pub use composite::composite;
pub use cpu::Threads;
pub use error::{Error, Result};
pub use frame::{ColourRange, Frame, Layout};
pub use fuse::Step;
pub use glimpse_kernels::Family;
pub use golden::Golden;
#[cfg(feature = "gpu")]
pub use gpu::{Adapter, GpuCeilings, GpuError, KernelTime, adapters};
pub use graph::Graph;
pub use machine::{Machine, peak_memory_bytes};
pub use mask::Mask;
pub use model::{Device, Model, Options};
pub use motion::MotionBudget;
pub use patchify::{patchify, patchify_into, unpatchify};
pub use pool::Pool;
pub use preprocess::{PREPROCESS_VERSION, Preprocessor, resize};
pub use stream::{Answer, Give, Stream};
