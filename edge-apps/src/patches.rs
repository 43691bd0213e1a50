//! A picture's file to the patches that a model reads.

use std::path::Path;

use anyhow::Result;
use glimpse_models::ModelSpec;
use glimpse_runtime::Preprocessor;
use ndarray::{Array2, ArrayView2, ArrayView3};

use crate::picture::Picture;

/// Reads pictures for one model, into buffers that it keeps.
pub struct PatchReader {
    preprocessor: Preprocessor,
    patches: Array2<f32>,
}

impl PatchReader {
    /// For a model with this spec.
    pub fn new(spec: &ModelSpec) -> Self {
        let patches = Array2::zeros((spec.grid().len(), spec.grid().patch_len()));
        Self { preprocessor: Preprocessor::new(spec), patches }
    }

    /// The whole picture, squeezed into the model's square.
    ///
    /// # Shapes
    /// - returns `[L, P·P·3]`, normalized, valid until the next picture
    ///
    /// # Errors
    /// Names the file when it cannot be read, and says what to do.
    pub fn read(&mut self, path: &Path) -> Result<ArrayView2<'_, f32>> {
        let rgb = Picture::read_to_look_at(path)?.to_rgb();
        let (width_px, height_px) = (rgb.width() as usize, rgb.height() as usize);
        let frame = ArrayView3::from_shape((height_px, width_px, 3), rgb.as_raw())?;
        self.preprocessor.patches_from_frame(frame, self.patches.view_mut())?;
        Ok(self.patches.view())
    }
}
