//! What a picture is without a model: its pixels, reduced to a size that a classifier can learn from.

use glimpse_models::{ModelSpec, PatchGrid};
use glimpse_runtime::Mask;
use ndarray::{Array2, ArrayView3, Axis};

/// The longest side that pixels are reduced to, if the patch side has a divisor for it.
const SIDE_MAX_PX: usize = 32;

/// How a model's image is reduced: means of squares that lie within a patch, so that a hidden patch hides whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reduced {
    grid: PatchGrid,
    /// Side of the reduced picture, in reduced pixels.
    side: usize,
    /// Side of a square, in pixels of the model's image.
    square_px: usize,
}

impl Reduced {
    /// For the images of a model.
    #[must_use]
    pub fn new(spec: &ModelSpec) -> Self {
        let patch = spec.patch_side();
        let fits = |square: &usize| patch.is_multiple_of(*square) && spec.image_side() / square <= SIDE_MAX_PX;
        let square_px = (1..=patch).find(fits).unwrap_or(patch);
        Self { grid: spec.grid(), side: spec.image_side() / square_px, square_px }
    }

    /// The side of a reduced picture.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// A reduced picture.
    ///
    /// # Shapes
    /// - `frame`: `[S, S, 3]`
    /// - returns `[side · side · 3]`
    ///
    /// # Units
    /// In: 0 to 255. Out: 0 to 1.
    #[must_use]
    pub fn pixels(&self, frame: ArrayView3<u8>) -> Vec<f32> {
        let most = 255.0 * (self.square_px * self.square_px) as f32;
        let mut pixels = Vec::with_capacity(self.side * self.side * 3);
        for square in frame.exact_chunks((self.square_px, self.square_px, 3)) {
            for channel in square.axis_iter(Axis(2)) {
                let sum: u32 = channel.iter().map(|&byte| u32::from(byte)).sum();
                pixels.push(sum as f32 / most);
            }
        }
        pixels
    }

    /// The pixels of every picture with those of hidden patches at 0, where they add nothing to a product.
    ///
    /// # Shapes
    /// - `pixels`: `[n, side · side · channels]`
    /// - `masks`: `[n]`
    #[must_use]
    pub fn masked(&self, pixels: &Array2<f32>, masks: &[Mask]) -> Array2<f32> {
        let mut masked = pixels.clone();
        let channels = pixels.ncols() / (self.side * self.side);
        let patch = self.grid.patch() / self.square_px;
        for (mut picture, mask) in masked.axis_iter_mut(Axis(0)).zip(masks) {
            for &hidden in mask.masked() {
                let (row, col) = self.grid.position(hidden);
                for y in row * patch..(row + 1) * patch {
                    let start = (y * self.side + col * patch) * channels;
                    picture.slice_mut(ndarray::s![start..start + patch * channels]).fill(0.0);
                }
            }
        }
        masked
    }
}

/// One channel alone, if all pictures are grey: three times the same number teaches nothing.
#[must_use]
pub fn without_equal_channels(pixels: Array2<f32>) -> Array2<f32> {
    let is_grey = |values: &[f32]| {
        values.as_chunks::<3>().0.iter().all(|[r, g, b]| r.to_bits() == g.to_bits() && g.to_bits() == b.to_bits())
    };
    if pixels.rows().into_iter().all(|row| row.as_slice().is_some_and(is_grey)) {
        return pixels.slice_move(ndarray::s![.., ..;3]).as_standard_layout().into_owned();
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::tests::small_spec;
    use glimpse_models::RawSpec;
    use ndarray::Array3;

    #[test]
    fn pictures_are_reduced_by_a_divisor_of_the_patch_side() {
        let side = |image_side, patch_side| {
            let spec = ModelSpec::new(RawSpec { image_side, patch_side, ..RawSpec::from(small_spec(false)) }).unwrap();
            Reduced::new(&spec).side()
        };
        assert_eq!([side(16, 4), side(128, 16), side(224, 16), side(224, 14)], [16, 32, 28, 32]);
    }

    #[test]
    fn a_hidden_patch_hides_its_pixels_and_no_other() {
        let spec =
            ModelSpec::new(RawSpec { image_side: 64, patch_side: 16, ..RawSpec::from(small_spec(false)) }).unwrap();
        let reduced = Reduced::new(&spec);
        let frame = Array3::from_shape_fn((64, 64, 3), |(y, x, c)| (4 * (y / 2) + (x / 2) + c) as u8);
        let pixels = reduced.pixels(frame.view());
        let at = |pixels: &[f32], y: usize, x: usize, c: usize| pixels[(y * 32 + x) * 3 + c] * 255.0;
        assert!((at(&pixels, 3, 5, 2) - (12.0 + 5.0 + 2.0)).abs() < 1e-4);

        let pixels = Array2::from_shape_vec((1, pixels.len()), pixels).unwrap() + 1.0;
        let masked = reduced.masked(&pixels, &[Mask::from_masked(spec.grid(), &[6]).unwrap()]);
        for (index, (masked, pixel)) in masked.iter().zip(&pixels).enumerate() {
            let (y, x) = (index / 3 / 32, index / 3 % 32);
            let is_hidden = (8..16).contains(&y) && (16..24).contains(&x);
            assert_eq!(*masked, if is_hidden { 0.0 } else { *pixel });
        }
    }

    #[test]
    fn grey_pictures_have_one_channel() {
        let grey = Array2::from_shape_fn((2, 6), |(n, i)| (n * 2 + i / 3) as f32);
        assert_eq!(without_equal_channels(grey.clone()), ndarray::array![[0.0, 1.0], [2.0, 3.0]]);
        let mut coloured = grey;
        coloured[[1, 5]] += 1.0;
        assert_eq!(without_equal_channels(coloured.clone()), coloured);
    }
}
