//! Masked, painted and original in one picture.

use image::{DynamicImage, GenericImage, Rgb, RgbImage};
use ndarray::ArrayView2;

use crate::picture::Picture;

/// What stands for a hidden pixel: a grey that few photographs hold in one piece.
const HIDDEN: Rgb<u8> = Rgb([128, 128, 128]);

/// Width and height of the three side by side.
pub fn side_by_side_px(original: &Picture) -> [usize; 2] {
    [3 * original.width(), original.height()]
}

/// The three side by side, upright, in RGB.
///
/// # Shapes
/// - `hole`: `[H, W]`
pub fn side_by_side(original: &Picture, painted: &Picture, hole: ArrayView2<bool>) -> anyhow::Result<Picture> {
    let width = original.width() as u32;
    let [sheet_width, height] = side_by_side_px(original);
    let mut sheet = RgbImage::new(sheet_width as u32, height as u32);
    let upright = original.to_rgb();
    sheet.copy_from(&upright, 0, 0)?;
    sheet.copy_from(&painted.to_rgb(), width, 0)?;
    sheet.copy_from(&upright, 2 * width, 0)?;
    for ((y, x), _) in hole.indexed_iter().filter(|(_, hidden)| **hidden) {
        sheet.put_pixel(x as u32, y as u32, HIDDEN);
    }
    Ok(original.with_pixels(DynamicImage::ImageRgb8(sheet)))
}
