//! Puts painted pixels where the hole is, and nowhere else.

use ndarray::{Array3, ArrayView2, ArrayView3, Axis, Zip};

use crate::{Error, Result};

/// Takes the painted picture inside the hole and the original outside of it. Every pixel outside
/// the hole is, byte for byte, the original's.
///
/// # Shapes
/// - `original`, `painted`: `[H, W, 3]`
/// - `hole`: `[H, W]`, `true` where the painted pixel is wanted
/// - returns `[H, W, 3]`
///
/// # Errors
/// [`Error::Shape`] if the three are not of one size.
pub fn composite(original: ArrayView3<u8>, painted: ArrayView3<u8>, hole: ArrayView2<bool>) -> Result<Array3<u8>> {
    let (height, width) = hole.dim();
    Error::check_shape("original", &[height, width, 3], original.shape())?;
    Error::check_shape("painted", &[height, width, 3], painted.shape())?;
    let mut picture = original.to_owned();
    Zip::from(picture.lanes_mut(Axis(2))).and(painted.lanes(Axis(2))).and(hole).for_each(
        |mut pixel, painted, &inside| {
            if inside {
                pixel.assign(&painted);
            }
        },
    );
    Ok(picture)
}
