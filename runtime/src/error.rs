//! What can go wrong between a bundle and a painted picture.

use glimpse_models::Precision;
use thiserror::Error;

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The bundle is broken, or does not fit its own spec.
    #[error(transparent)]
    Bundle(#[from] glimpse_models::Error),

    /// An array does not have the shape that the model or the mask asks for.
    #[error("{what} must have the shape {expected:?}, this one has {got:?}")]
    Shape {
        /// The argument, by its name.
        what: &'static str,
        /// The shape that was asked for.
        expected: Vec<usize>,
        /// The shape that came.
        got: Vec<usize>,
    },

    /// A picture without a single pixel.
    #[error("{what} is empty: {height_px}×{width_px} pixels")]
    EmptyPicture {
        /// The argument, by its name.
        what: &'static str,
        /// Its rows.
        height_px: usize,
        /// Its columns.
        width_px: usize,
    },

    /// A mask's ratio is not a share of the grid.
    #[error("a mask hides a share of the patches, from 0 up to but not including 1; {ratio} is none")]
    Ratio {
        /// The ratio that was asked for.
        ratio: f32,
    },

    /// A mask names a patch that its grid does not have.
    #[error("patch {index} is outside the grid of {len} patches (the first is 0)")]
    PatchOutside {
        /// The patch that was named.
        index: usize,
        /// How many patches the grid has.
        len: usize,
    },

    /// A mask names a patch twice.
    #[error("patch {index} is named twice")]
    PatchRepeated {
        /// The patch that was named.
        index: usize,
    },

    /// A mask hides the whole picture, so the encoder has nothing to read.
    #[error("the mask hides every one of the {len} patches: at least one must stay visible")]
    NothingVisible {
        /// How many patches the grid has.
        len: usize,
    },

    /// A mask was made for another grid than the model's.
    #[error(
        "the mask is made for a grid of {got_rows}×{got_cols} patches, \
         the model's has {rows}×{cols}"
    )]
    OtherGrid {
        /// Rows of the model's grid.
        rows: usize,
        /// Columns of the model's grid.
        cols: usize,
        /// Rows of the mask's grid.
        got_rows: usize,
        /// Columns of the mask's grid.
        got_cols: usize,
    },

    /// The bundle does not hold the form that was asked for.
    #[error(
        "bundle `{bundle}` has no {precision} form; `glimpse-export quantize` adds an int8 form \
         to a bundle that has the f32 one"
    )]
    FormMissing {
        /// The bundle's name.
        bundle: String,
        /// The form that was asked for.
        precision: Precision,
    },

    /// Kernels for other CPUs were asked for.
    #[error(
        "this machine's CPU cannot run the kernels `{kernels}`; leave them open, and the fastest that it can are taken"
    )]
    Kernels {
        /// The family of CPUs that they are for.
        kernels: &'static str,
    },

    /// The engine refused an ONNX file, or failed in it.
    #[error("{doing} the ONNX file: {source}")]
    Onnx {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The GPU refused, where the CPU cannot take its place.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] crate::GpuError),

    /// A GPU was asked for, and the engine for it is not in this program.
    #[error("this program is built without the feature `gpu`: it runs models on the CPU alone")]
    GpuLeftOut,

    /// The model gives features alone.
    #[error("bundle `{bundle}` has no decoder: it gives features and cannot reconstruct")]
    DecoderMissing {
        /// The bundle's name.
        bundle: String,
    },

    /// The model tells no classes apart.
    #[error("bundle `{bundle}` has no classifier: it gives features, and names no classes")]
    ClassifierMissing {
        /// The bundle's name.
        bundle: String,
    },

    /// The model predicts pixels normalized patch by patch, and a hidden patch's own are not known.
    #[error(
        "bundle `{bundle}` predicts each patch normalized by its own mean and variance, which are not \
         known where a patch is hidden: it gives features and cannot paint"
    )]
    NormalizedPixels {
        /// The bundle's name.
        bundle: String,
    },

    /// Frames are given faster than their answers are taken.
    #[error("{most} frames are under way: take the answer of one before you give another")]
    UnderWay {
        /// How many may be.
        most: usize,
    },

    /// There is nothing to paint.
    #[error("the hole is empty: none of the {height_px}×{width_px} pixels is to be painted")]
    EmptyHole {
        /// Rows of the picture.
        height_px: usize,
        /// Columns of the picture.
        width_px: usize,
    },

    /// There is nothing but hole, so nothing to paint it from.
    #[error("the hole is the whole picture of {height_px}×{width_px} pixels: nothing is left to paint it from")]
    NothingAround {
        /// Rows of the picture.
        height_px: usize,
        /// Columns of the picture.
        width_px: usize,
    },

    /// A thread pool of this size cannot be had.
    #[error("cannot run on {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says; nothing where none were asked for.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },

    /// A graph that is read for reference lacks a weight, or is no ONNX file at all.
    #[error("the graph has no weight `{name}` of the shape that it should have")]
    WeightMissing {
        /// The weight's name.
        name: String,
    },

    /// A picture could not be resized.
    #[error("cannot resize a picture of {from:?} pixels to {to:?} (height, width)")]
    Resize {
        /// Height and width as they were.
        from: (usize, usize),
        /// Height and width that were asked for.
        to: (usize, usize),
        /// What the resizer says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The inference engine refused a graph or failed in it.
    #[error("bundle `{bundle}`: {doing} the {part} failed")]
    Engine {
        /// The bundle's name.
        bundle: String,
        /// Which of its graphs.
        part: glimpse_models::Part,
        /// What the engine was at: planning or running.
        doing: &'static str,
        /// What the engine says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The inference engine refused the classifier's graph or failed in it.
    #[error("bundle `{bundle}`: {doing} the classifier failed")]
    ClassifierEngine {
        /// The bundle's name.
        bundle: String,
        /// What the engine was at: planning or running.
        doing: &'static str,
        /// What the engine says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// `Ok` if the shapes are the same, [`Error::Shape`] otherwise.
    pub(crate) fn check_shape(what: &'static str, expected: &[usize], got: &[usize]) -> Result<()> {
        if expected == got {
            return Ok(());
        }
        Err(Self::Shape { what, expected: expected.to_vec(), got: got.to_vec() })
    }
}
