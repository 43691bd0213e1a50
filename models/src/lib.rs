//! The contract between Glimpse's export and its runtime: what a model is ([`ModelSpec`]), how a picture is cut
//! ([`PatchGrid`]), and the folder that carries both ([`Bundle`]).
//!
//! A bundle is read once, checked whole, and then trusted: whoever holds a [`Bundle`] has files whose hashes are right
//! and graphs whose inputs and outputs fit the spec. `models/README.md` describes the folder for someone who writes one.
//!
//! ```no_run
//! use glimpse_models::{Bundle, Part, Precision};
//!
//! let bundle = Bundle::open("models/glimpse-tiny")?;
//! println!("{}: {} patches", bundle.name(), bundle.spec().grid().len());
//! let encoder: Option<&glimpse_models::onnx::Bytes> = bundle.graph(Part::Encoder, Precision::Int8);
//! # Ok::<(), glimpse_models::Error>(())
//! ```
//!
//! | file | what it holds |
//! | --- | --- |
//! | `grid.rs` | [`PatchGrid`]: the cutting of a picture into patches |
//! | `spec.rs` | [`ModelSpec`], [`Family`], [`Base`], [`Transformer`]: the model's numbers, each in range |
//! | `classifier.rs` | [`Classifier`]: what a fine-tuned model has beyond its encoder |
//! | `precision.rs` | [`Precision`], [`Part`]: which of a bundle's graphs is meant |
//! | `manifest.rs` | [`Manifest`]: `manifest.toml` |
//! | `files.rs` | [`BundleFile`]: the only file names a bundle may list |
//! | `bundle.rs` | [`Bundle`]: opening and checking |
//! | `write.rs` | [`Bundle::write`]: writing one whole or not at all |
//! | `graph.rs`, `graph/ports.rs` | the check that an ONNX file fits the contract and the spec |
//! | `onnx.rs` | [`onnx`]: the part of the ONNX format that the contract uses |
//! | `embedded.rs` | [`shipped`], [`embedded`]: bundles inside the program |
//! | `error.rs` | [`Error`]: one variant for each way any of this can fail |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely"))]

mod bundle;
mod classifier;
mod embedded;
mod error;
mod files;
mod graph;
mod grid;
mod manifest;
pub mod onnx;
mod precision;
mod spec;
mod write;

pub use bundle::Bundle;
pub use classifier::{Classifier, NormPlace, Pool};
pub use embedded::{embedded, shipped};
pub use error::Error;
pub use files::{BundleFile, FileEntry, Files, MANIFEST_FILE, MAX_FILE_BYTES};
pub use grid::PatchGrid;
pub use manifest::{FORMAT_VERSION, Manifest, Measure, Training};
pub use precision::{Part, Precision};
pub use spec::{Base, Family, ModelSpec, RawSpec, Transformer};
pub use write::Existing;
