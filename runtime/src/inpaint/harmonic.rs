//! The classical fill: holes filled with the membrane, at the picture's own resolution.

use ndarray::{Array3, ArrayView2, s};

use super::{membrane::Membrane, rect::Rect};

/// Fills the hole pixels of a region of the picture from what surrounds them.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`
/// - `hole`: `[H, W]`
pub(super) fn fill(picture: &mut Array3<u8>, hole: ArrayView2<bool>, region: Rect, only: impl Fn(usize, usize) -> bool) {
    let Rect { y, x, height, width } = region;
    let window = s![y..y + height, x..x + width];
    let unknown = hole.slice(window);
    let membrane = Membrane::new(unknown);
    for channel in 0..3 {
        let mut plane = picture.slice_mut(s![y..y + height, x..x + width, channel]);
        let mut values: Vec<f32> = plane.iter().map(|value| f32::from(*value)).collect();
        membrane.fill(&mut values);
        for (((row, col), byte), value) in plane.indexed_iter_mut().zip(&values) {
            if unknown[[row, col]] && only(y + row, x + col) {
                *byte = value.round() as u8;
            }
        }
    }
}
