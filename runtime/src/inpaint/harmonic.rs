//! The classical fill: holes filled with the membrane, at the picture's own resolution.

use glimpse_kernels::Membrane;
use ndarray::{Array3, ArrayView2, Axis, s};

use super::rect::Rect;

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
    let mut membrane = Membrane::new(unknown);
    for mut channel in region.axis_iter_mut(Axis(2)) {
        let mut plane: Vec<f32> = channel.iter().copied().map(f32::from).collect();
        membrane.fill(&mut plane);
        for (((row, col), unknown), (byte, value)) in unknown.indexed_iter().zip(channel.iter_mut().zip(&plane)) {
            if *unknown && only(y + row, x + col) {
                *byte = value.round() as u8;
            }
        }
    }
}
