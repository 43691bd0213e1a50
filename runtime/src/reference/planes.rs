//! A picture's pixels in grey levels, hidden ones marked.

use glimpse_models::PatchGrid;
use ndarray::{Array3, ArrayView3};

/// Red, green, blue and 0 of each pixel; of a hidden patch's, what they start from, and 1.
///
/// # Shapes
/// - `image`: `[H, W, 3]`; `hidden`: `[L]`
/// - returns `[H, W, 4]`
///
/// # Units
/// Grey levels of 255.
#[must_use]
pub fn planes(image: ArrayView3<u8>, hidden: &[bool], grid: PatchGrid, start: [f32; 3]) -> Array3<f32> {
    Array3::from_shape_fn((grid.height(), grid.width(), 4), |(y, x, channel)| {
        let is_hidden = hidden[grid.index(y / grid.patch(), x / grid.patch())];
        match (channel, is_hidden) {
            (3, _) => f32::from(u8::from(is_hidden)),
            (_, true) => start[channel],
            (_, false) => f32::from(image[[y, x, channel]]),
        }
    })
}
