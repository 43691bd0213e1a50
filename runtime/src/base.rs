//! What a decoder's answer is added to.

use std::ops::Range;

use glimpse_kernels::Membrane;
use glimpse_models::{Base, ModelSpec, PatchGrid};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip, s};

use crate::{Error, Mask, Result};

/// The patches that a model's answers are added to, picture after picture: zeros, or the membrane through the visible
/// patches, which solves Laplace's equation in the masked ones.
///
/// What a mask alone decides is kept for as long as the mask is the same.
///
/// # Source
/// Pérez et al. 2003, "Poisson image editing".
#[derive(Debug)]
pub struct BaseSolver {
    spec: ModelSpec,
    hole: Option<Hole>,
    /// `[3, H·W]`, in grey levels of 255.
    planes: Vec<f32>,
}

/// The masked patches, and the membrane over them.
#[derive(Debug)]
struct Hole {
    masked: Vec<usize>,
    membrane: Membrane,
}

impl BaseSolver {
    /// For a model's pictures.
    #[must_use]
    pub fn new(spec: &ModelSpec) -> Self {
        Self { spec: *spec, hole: None, planes: Vec::new() }
    }

    /// The base of one picture.
    ///
    /// # Shapes
    /// - `patches`: `[L, P·P·3]`, all of the picture's; the masked ones are not read
    /// - `base`: `[L, P·P·3]`; the rows of visible patches become 0
    ///
    /// # Units
    /// Normalized by the spec's mean and std, as `patches` are. The membrane is solved to a tenth of a grey level of 255.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::OtherGrid`] if patches, base or mask are not the model's.
    pub fn solve(&mut self, patches: ArrayView2<f32>, mask: &Mask, mut base: ArrayViewMut2<f32>) -> Result<()> {
        let grid = self.spec.grid();
        Error::check_shape("patches", &[grid.len(), grid.patch_len()], patches.shape())?;
        Error::check_shape("base", &[grid.len(), grid.patch_len()], base.shape())?;
        mask.check_grid(grid)?;
        base.fill(0.0);
        if self.spec.base() == Base::Zero || mask.masked().is_empty() {
            return Ok(());
        }
        let hole = match &mut self.hole {
            Some(hole) if hole.masked == mask.masked() => hole,
            hole => hole
                .insert(Hole { masked: mask.masked().to_vec(), membrane: Membrane::new(mask.masked_pixels().view()) }),
        };
        let pixels = grid.height() * grid.width();
        self.planes.resize(3 * pixels, 0.0);
        for (channel, plane) in self.planes.chunks_exact_mut(pixels).enumerate() {
            let (mean, std) = (self.spec.mean()[channel], self.spec.std()[channel]);
            for &index in mask.visible() {
                let patch = patches.row(index);
                for (values, places) in rows(grid, index) {
                    let values = patch.slice(s![values.start + channel..values.end; 3]);
                    plane[places].iter_mut().zip(values).for_each(|(grey, value)| *grey = 255.0 * (value * std + mean));
                }
            }
            hole.membrane.fill(plane);
            for &index in mask.masked() {
                let mut patch = base.row_mut(index);
                for (values, places) in rows(grid, index) {
                    let values = patch.slice_mut(s![values.start + channel..values.end; 3]);
                    values
                        .into_iter()
                        .zip(&plane[places])
                        .for_each(|(value, grey)| *value = (grey / 255.0 - mean) / std);
                }
            }
        }
        Ok(())
    }
}

/// [`BaseSolver::solve`] for one picture alone.
///
/// # Shapes
/// - `patches`: `[L, P·P·3]`; returns `[L, P·P·3]`
///
/// # Errors
/// As [`BaseSolver::solve`].
pub fn base_patches(spec: &ModelSpec, patches: ArrayView2<f32>, mask: &Mask) -> Result<Array2<f32>> {
    let mut base = Array2::zeros((spec.grid().len(), spec.grid().patch_len()));
    BaseSolver::new(spec).solve(patches, mask, base.view_mut())?;
    Ok(base)
}

/// The values of each row of a patch's pixels, and where the pixels stand in a plane of the picture.
pub(crate) fn rows(grid: PatchGrid, index: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let (side, (row, col)) = (grid.patch(), grid.position(index));
    (0..side).map(move |y| {
        let start = (row * side + y) * grid.width() + col * side;
        (3 * side * y..3 * side * (y + 1), start..start + side)
    })
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
    fn a_solver_goes_from_mask_to_mask() {
        let spec = spec(Base::Membrane);
        let picture = planes(&spec).mapv(f32::sin);
        let mut solver = BaseSolver::new(&spec);
        let mut base = Array2::from_elem(picture.dim(), f32::NAN);
        for masked in [&[5, 6, 9][..], &[0, 15], &[5, 6, 9], &[5, 6, 9]] {
            let mask = Mask::from_masked(spec.grid(), masked).unwrap();
            solver.solve(picture.view(), &mask, base.view_mut()).unwrap();
            assert_eq!(base, base_patches(&spec, picture.view(), &mask).unwrap());
        }
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
