//! From hidden pixels to hidden patches, one pixel at a time.

use glimpse_models::PatchGrid;

/// A flag for each patch: `true` if one of its pixels is hidden.
///
/// # Shapes
/// - `hole`: `[H, W]`
/// - returns `[L]`
#[must_use]
pub fn hidden_from_pixels(grid: PatchGrid, hole: &[bool]) -> Vec<bool> {
    let mut hidden = vec![false; grid.len()];
    for y in 0..grid.height() {
        for x in 0..grid.width() {
            if hole[y * grid.width() + x] {
                hidden[grid.index(y / grid.patch(), x / grid.patch())] = true;
            }
        }
    }
    hidden
}
