//! Painted patches upon their base, in the picture.

use glimpse_models::PatchGrid;
use ndarray::{Array3, ArrayView2, ArrayView3};

/// The picture: the base, and where hidden a painted value's grey levels added to it.
///
/// # Shapes
/// - `base`: `[H, W, 4]`, grey levels and 1 where hidden; `painted`: `[L, P·P·3]`
/// - returns `[H, W, 3]`
///
/// # Units
/// `scale`: grey levels of a painted 1.
#[must_use]
pub fn composite(base: ArrayView3<f32>, painted: ArrayView2<f32>, grid: PatchGrid, scale: [f32; 3]) -> Array3<u8> {
    let side = grid.patch();
    Array3::from_shape_fn((grid.height(), grid.width(), 3), |(y, x, channel)| {
        let patch = painted.row(grid.index(y / side, x / side));
        let answer = scale[channel] * patch[3 * (y % side * side + x % side) + channel];
        let value = base[[y, x, channel]] + base[[y, x, 3]] * answer;
        value.round().clamp(0.0, 255.0) as u8
    })
}
