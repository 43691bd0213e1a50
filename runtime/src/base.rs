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
    Membrane::new(mask.masked_pixels().view()).fill(&mut pixels);
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

#[cfg(test)]
mod tests {
    use glimpse_models::{Family, RawSpec, Transformer};
    use ndarray::Array3;

    use super::*;
    use crate::patchify;

    fn spec(base: Base) -> ModelSpec {
        let stack = Transformer { width: 8, depth: 1, heads: 1 };
        ModelSpec::new(RawSpec {
            family: Family::Mae,
            image_side: 32,
            patch_side: 8,
            encoder: stack,
            decoder: Some(stack),
            mlp_ratio: 4,
            mean: [0.4, 0.5, 0.6],
            std: [0.2, 0.25, 0.3],
            norm_pix: false,
            base,
            layer_norm_epsilon: 1e-6,
        })
        .unwrap()
    }

    /// A plane in each channel, other ones for each: the membrane goes on with it.
    fn planes(spec: &ModelSpec) -> Array2<f32> {
        let image = Array3::from_shape_fn((3, 32, 32), |(c, y, x)| {
            let unit = 0.2 + 0.01 * y as f32 + 0.005 * (c as f32 - 1.0) * x as f32;
            (unit - spec.mean()[c]) / spec.std()[c]
        });
        patchify(image.view(), spec.grid()).unwrap()
    }

    #[test]
    fn the_membrane_of_planes_is_the_planes_and_hidden_pixels_are_not_read() {
        let spec = spec(Base::Membrane);
        let mask = Mask::from_masked(spec.grid(), &[5, 6, 9]).unwrap();
        let picture = planes(&spec);
        let mut spoiled = picture.clone();
        for &index in mask.masked() {
            spoiled.row_mut(index).fill(77.0);
        }
        let base = base_patches(&spec, spoiled.view(), &mask).unwrap();
        // a few tenths of a grey level, in units of the least deviation
        let close = 0.3 / 255.0 / 0.2;
        for &index in mask.masked() {
            assert!(base.row(index).iter().zip(picture.row(index)).all(|(b, p)| (b - p).abs() < close));
        }
        assert!(mask.visible().iter().all(|index| base.row(*index).iter().all(|b| *b == 0.0)));
    }

    #[test]
    fn without_a_base_nothing_is_added() {
        let spec = spec(Base::Zero);
        let mask = Mask::from_masked(spec.grid(), &[0, 15]).unwrap();
        assert!(base_patches(&spec, planes(&spec).view(), &mask).unwrap().iter().all(|b| *b == 0.0));
    }

    #[test]
    fn what_is_not_the_model_s_is_refused() {
        let spec = spec(Base::Membrane);
        let (other, grid) = (glimpse_models::PatchGrid::new(16, 16, 8).unwrap(), spec.grid());
        let mask = Mask::from_masked(other, &[0]).unwrap();
        let refused = base_patches(&spec, planes(&spec).view(), &mask).unwrap_err();
        assert!(matches!(refused, Error::OtherGrid { .. }), "{refused}");
        let mask = Mask::from_masked(grid, &[0]).unwrap();
        let few = Array2::zeros((3, grid.patch_len()));
        assert!(matches!(base_patches(&spec, few.view(), &mask).unwrap_err(), Error::Shape { .. }));
    }
}
