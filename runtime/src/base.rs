//! What a decoder's answer is added to.

use glimpse_models::{Base, ModelSpec};
use ndarray::{Array2, ArrayView2, Zip};

use crate::membrane::{LANES, Membrane, Pixel};
use crate::{Error, Mask, Result};

/// The patches that a model's answer is added to: zeros, or the membrane through the visible patches, which solves
/// Laplace's equation in the masked ones.
///
/// # Shapes
/// - `patches`: `[L, P·P·3]`, all of the picture's; the masked ones are not read
/// - returns `[L, P·P·3]`; the rows of visible patches are 0
///
/// # Units
/// Normalized by the spec's mean and std, as `patches` are. The membrane is solved to a tenth of a grey level of 255.
///
/// # Errors
/// [`Error::Shape`] or [`Error::OtherGrid`] if patches or mask are not the model's.
///
/// # Source
/// Pérez et al. 2003, "Poisson image editing".
pub fn base_patches(spec: &ModelSpec, patches: ArrayView2<f32>, mask: &Mask) -> Result<Array2<f32>> {
    let grid = spec.grid();
    Error::check_shape("patches", &[grid.len(), grid.patch_len()], patches.shape())?;
    mask.check_grid(grid)?;
    let mut base = Array2::zeros(patches.dim());
    if spec.base() == Base::Zero || mask.masked().is_empty() {
        return Ok(base);
    }
    let (side, patch) = (grid.width(), grid.patch());
    let (std, mean) = (spec.std(), spec.mean());
    let mut unknown = Array2::from_elem((grid.height(), side), false);
    let mut pixels: Vec<Pixel> = vec![[0.0; LANES]; grid.height() * side];
    // The patch's k-th pixel in the picture.
    let place = |index: usize, k: usize| {
        let (row, col) = grid.position(index);
        (row * patch + k / patch, col * patch + k % patch)
    };
    for &index in mask.visible() {
        for (k, value) in patches.row(index).iter().enumerate() {
            let (channel, (y, x)) = (k % 3, place(index, k / 3));
            pixels[y * side + x][channel] = 255.0 * (value * std[channel] + mean[channel]);
        }
    }
    for &index in mask.masked() {
        for k in 0..patch * patch {
            unknown[place(index, k)] = true;
        }
    }
    Membrane::new(unknown.view()).fill(&mut pixels);
    for &index in mask.masked() {
        for (k, value) in base.row_mut(index).iter_mut().enumerate() {
            let (channel, (y, x)) = (k % 3, place(index, k / 3));
            *value = (pixels[y * side + x][channel] / 255.0 - mean[channel]) / std[channel];
        }
    }
    Ok(base)
}

/// Adds the base to a decoder's answer.
pub(crate) fn add(answer: ArrayView2<f32>, base: &mut Array2<f32>) {
    Zip::from(base).and(answer).for_each(|base, answer| *base += answer);
}
