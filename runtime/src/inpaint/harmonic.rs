//! The classical fill: holes filled with the membrane, at the picture's own resolution.

use ndarray::{Array3, ArrayView2, Axis, s};

use super::rect::Rect;
use crate::membrane::{Membrane, Pixel};

/// Fills the hole pixels of a region of the picture from what surrounds them.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`
/// - `hole`: `[H, W]`; `only` says of which of its pixels the answer is kept
pub(super) fn fill(
    picture: &mut Array3<u8>,
    hole: ArrayView2<bool>,
    region: Rect,
    only: impl Fn(usize, usize) -> bool,
) {
    let Rect { y, x, height, width } = region;
    let unknown = hole.slice(s![y..y + height, x..x + width]);
    let mut region = picture.slice_mut(s![y..y + height, x..x + width, ..]);
    let mut pixels: Vec<Pixel> =
        region.lanes(Axis(2)).into_iter().map(|c| [c[0], c[1], c[2], 0].map(f32::from)).collect();
    Membrane::new(unknown).fill(&mut pixels);
    for ((((row, col), unknown), pixel), mut colour) in
        unknown.indexed_iter().zip(&pixels).zip(region.lanes_mut(Axis(2)))
    {
        if *unknown && only(y + row, x + col) {
            colour.iter_mut().zip(pixel).for_each(|(byte, value)| *byte = value.round() as u8);
        }
    }
}
