//! Between an image and its patches.

use glimpse_models::PatchGrid;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, ArrayViewMut2, Axis, s};

use crate::{Error, Result};

/// Splits an image into non-overlapping patches, row-major over the grid.
///
/// # Shapes
/// - `image`: `[3, H, W]`, the grid's height and width
/// - returns `[L, P·P·3]`, channel last inside a patch
///
/// # Units
/// Kept: normalized in, normalized out.
///
/// # Errors
/// [`Error::Shape`] if the image is not as large as the grid.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, section 3.
pub fn patchify(image: ArrayView3<f32>, grid: PatchGrid) -> Result<Array2<f32>> {
    let mut patches = Array2::zeros((grid.len(), grid.patch_len()));
    patchify_into(image, grid, patches.view_mut())?;
    Ok(patches)
}

/// [`patchify`] into a buffer that the caller keeps from frame to frame.
///
/// # Shapes
/// - `image`: `[3, H, W]`, the grid's height and width
/// - `patches`: `[L, P·P·3]`, written whole
///
/// # Errors
/// [`Error::Shape`] if the image or the buffer does not fit the grid.
pub fn patchify_into(image: ArrayView3<f32>, grid: PatchGrid, mut patches: ArrayViewMut2<f32>) -> Result<()> {
    Error::check_shape("image", &[3, grid.height(), grid.width()], image.shape())?;
    Error::check_shape("patches", &[grid.len(), grid.patch_len()], patches.shape())?;
    let p = grid.patch();
    for (index, mut patch) in patches.outer_iter_mut().enumerate() {
        let (row, col) = grid.position(index);
        let (top, left) = (row * p, col * p);
        let tile = image.slice(s![.., top..top + p, left..left + p]); // [3, P, P]
        let tile = tile.permuted_axes([1, 2, 0]); // [P, P, 3]
        for (value, &pixel) in patch.iter_mut().zip(&tile) {
            *value = pixel;
        }
    }
    Ok(())
}

/// Puts patches together to an image: the inverse of [`patchify`].
///
/// # Shapes
/// - `patches`: `[L, P·P·3]`
/// - returns `[3, H, W]`, the grid's height and width
///
/// # Errors
/// [`Error::Shape`] if the patches do not fit the grid.
pub fn unpatchify(patches: ArrayView2<f32>, grid: PatchGrid) -> Result<Array3<f32>> {
    Error::check_shape("patches", &[grid.len(), grid.patch_len()], patches.shape())?;
    let p = grid.patch();
    let mut image = Array3::zeros((3, grid.height(), grid.width()));
    for (index, patch) in patches.axis_iter(Axis(0)).enumerate() {
        let (row, col) = grid.position(index);
        let (top, left) = (row * p, col * p);
        let tile = image.slice_mut(s![.., top..top + p, left..left + p]); // [3, P, P]
        let mut tile = tile.permuted_axes([1, 2, 0]); // [P, P, 3]
        for (pixel, &value) in tile.iter_mut().zip(patch) {
            *pixel = value;
        }
    }
    Ok(image)
}
