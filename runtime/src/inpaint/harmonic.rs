//! The classical fill: holes filled with the membrane, at the picture's own resolution.

use ndarray::{Array3, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::{membrane::Membrane, rect::Rect};

/// Fills the hole pixels of a region of the picture from what surrounds them.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`
/// - `hole`: `[H, W]`; `only` says of which of its pixels the answer is kept
pub(super) fn fill(
    picture: &mut Array3<u8>,
    hole: ArrayView2<bool>,
    region: Rect,
    only: impl Fn(usize, usize) -> bool + Sync,
) {
    let Rect { y, x, height, width } = region;
    let window = s![y..y + height, x..x + width];
    let unknown = hole.slice(window);
    let membrane = Membrane::new(unknown);
    let mut region = picture.slice_mut(s![y..y + height, x..x + width, ..]);
    let solve = |plane: &mut ArrayViewMut2<u8>| {
        let mut values: Vec<f32> = plane.iter().map(|value| f32::from(*value)).collect();
        membrane.fill(&mut values);
        for (((row, col), byte), value) in plane.indexed_iter_mut().zip(&values) {
            if unknown[[row, col]] && only(y + row, x + col) {
                *byte = value.round() as u8;
            }
        }
    };
    let mut channels: Vec<ArrayViewMut2<u8>> = region.axis_iter_mut(Axis(2)).collect();
    channels.par_iter_mut().for_each(solve);
}
