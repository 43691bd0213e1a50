//! The models that are measured, and what is asked of them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::golden::program::ExportProgram;
use crate::workspace::Workspace;

/// Sums in another order.
const F32_TOLERANCE: f64 = 1e-4;
/// Activations in bytes, a range for a whole matrix.
const INT8_TOLERANCE: f64 = 0.05;

/// What is run of a model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    Encoder,
    Decoder,
    /// A frame of 640×480 to features: resized, normalized, cut into patches, encoded.
    Features,
    /// … and decoded and back to a picture.
    Painted,
}

impl What {
    /// Whether it is a graph by itself.
    pub fn is_graph(self) -> bool {
        matches!(self, Self::Encoder | Self::Decoder)
    }
}

/// A model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Model {
    name: &'static str,
    /// Sizes, as `glimpse-export train` takes them; empty for the one that is shipped.
    sizes: &'static str,
}

const BASE: Model = Model { name: "ViT-B/16", sizes: "--preset base" };
const SMALL: Model = Model {
    name: "ViT-S/16",
    sizes: "--image-side 224 --patch-side 16 --width 384 --depth 12 --heads 6 --decoder-width 64 --decoder-depth 1 --decoder-heads 1",
};
const TINY: Model = Model {
    name: "ViT-Ti/16",
    sizes: "--image-side 224 --patch-side 16 --width 192 --depth 12 --heads 3 --decoder-width 64 --decoder-depth 1 --decoder-heads 1",
};
const SHIPPED: Model = Model { name: "glimpse-tiny", sizes: "" };

/// A row of the table.
pub struct Row {
    model: Model,
    pub what: What,
    /// Tokens, the class token among them.
    pub tokens: usize,
    pub precision: &'static str,
    /// Ratios to the best peer's time that are asked for, on one core and on two.
    goals: [f64; 2],
}

const fn row(model: Model, what: What, precision: &'static str, tokens: usize, goals: [f64; 2]) -> Row {
    Row { model, what, tokens, precision, goals }
}

/// The table.
pub const ROWS: [Row; 11] = [
    row(BASE, What::Encoder, "int8", 197, [0.78, 0.68]),
    row(BASE, What::Encoder, "int8", 50, [0.70, 0.60]),
    row(SMALL, What::Encoder, "int8", 197, [0.75, 0.75]),
    row(SMALL, What::Encoder, "int8", 50, [0.75, 0.75]),
    row(TINY, What::Encoder, "int8", 197, [0.75, 0.75]),
    row(TINY, What::Encoder, "int8", 50, [0.75, 0.75]),
    row(BASE, What::Decoder, "int8", 197, [0.80, 0.80]),
    row(BASE, What::Encoder, "f32", 197, [0.95, 0.95]),
    row(BASE, What::Encoder, "f32", 50, [0.95, 0.95]),
    row(SHIPPED, What::Features, "int8", 65, [0.75, 0.75]),
    row(SHIPPED, What::Painted, "int8", 33, [0.75, 0.75]),
];

impl Row {
    /// The ratio that is asked for with so many threads.
    pub fn goal(&self, threads: usize) -> Option<f64> {
        self.goals.get(threads.checked_sub(1)?).copied()
    }

    /// How far an answer may be off, relative to one in f32: past that, something else is computed.
    pub fn tolerance(&self) -> f64 {
        if self.precision == "f32" { F32_TOLERANCE } else { INT8_TOLERANCE }
    }

    /// The graph that is run, or the first of them.
    pub fn part(&self) -> &'static str {
        if self.what == What::Decoder { "decoder" } else { "encoder" }
    }

    /// The model's folder: the one in the repository, or one of random weights that is made once.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn bundle(&self, workspace: &Workspace, export: &ExportProgram, scratch: &Path) -> anyhow::Result<PathBuf> {
        let Model { name, sizes } = self.model;
        if sizes.is_empty() {
            return Ok(workspace.root.join("models").join(name));
        }
        let folder = scratch.join(name.replace('/', "-"));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let bundle = folder.join("bundle");
        if !bundle.join("encoder.int8.onnx").is_file() {
            export.make_bundle(workspace, &folder, &bundle, &format!("{sizes} --steps 1 --batch 1 --seed 1"))?;
        }
        Ok(bundle)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Encoder => "encoder",
            What::Decoder => "decoder",
            What::Features => "frame to features",
            What::Painted => "frame to painted frame",
        };
        write!(f, "{} {what} {}, {} tokens", self.model.name, self.precision, self.tokens)
    }
}
