//! Between an image and its patches, one value at a time.

use glimpse_models::PatchGrid;

/// Splits an image into patches.
///
/// # Shapes
/// - `image`: `[3, H, W]`
/// - returns `[L, P·P·3]`: patch (row, col), inside it (row, col, channel)
#[must_use]
pub fn patchify(image: &[f32], grid: PatchGrid) -> Vec<f32> {
    places(grid).map(|place| image[place]).collect()
}

/// Puts patches together to an image.
///
/// # Shapes
/// - `patches`: `[L, P·P·3]`
/// - returns `[3, H, W]`
#[must_use]
pub fn unpatchify(patches: &[f32], grid: PatchGrid) -> Vec<f32> {
    let mut image = vec![0.0; patches.len()];
    for (place, &value) in places(grid).zip(patches) {
        image[place] = value;
    }
    image
}

/// Where in `[3, H, W]` each value of `[L, P·P·3]` lies.
fn places(grid: PatchGrid) -> impl Iterator<Item = usize> {
    let (p, height, width) = (grid.patch(), grid.height(), grid.width());
    (0..grid.len() * grid.patch_len()).map(move |place| {
        let (index, within) = (place / grid.patch_len(), place % grid.patch_len());
        let (y, x, channel) = (within / (3 * p), within / 3 % p, within % 3);
        let (row, col) = grid.position(index);
        (channel * height + row * p + y) * width + col * p + x
    })
}
