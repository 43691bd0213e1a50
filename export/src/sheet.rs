//! Contact sheets: rows of pictures, side by side, for eyes to judge.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// What shows between the pictures and around those that do not fill their cell.
const BACKGROUND: Rgb<u8> = Rgb([255, 255, 255]);

/// How the cells of a contact sheet are laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Longest side of a picture on the sheet; larger and smaller ones are resized to it.
    pub cell_px: u32,
    /// Empty space around each cell.
    pub gap_px: u32,
}

/// Puts pictures on one sheet: one row of cells for each of `rows`, each picture whole, resized with its aspect kept and
/// centred in its cell. Rows may be of different lengths; without any picture the sheet is an empty margin.
///
/// # Shapes
/// - `rows`: any number of rows of pictures of any size
/// - returns `[gap + Σ (row height + gap), gap + columns · (cell + gap)]`, where a row is as high as its highest picture
///
/// # Units
/// 8-bit sRGB in and out.
#[must_use]
pub fn contact_sheet(rows: &[Vec<RgbImage>], layout: Layout) -> RgbImage {
    let Layout { cell_px, gap_px } = layout;
    let rows: Vec<Vec<RgbImage>> =
        rows.iter().map(|row| row.iter().map(|picture| fit(picture, cell_px)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let row_heights: Vec<u32> = rows.iter().map(|row| row.iter().map(RgbImage::height).max().unwrap_or(0)).collect();

    let width = gap_px + columns * (cell_px + gap_px);
    let height = gap_px + row_heights.iter().map(|row| row + gap_px).sum::<u32>();
    let mut sheet = RgbImage::from_pixel(width, height, BACKGROUND);
    let mut top = gap_px;
    for (row, row_height) in rows.iter().zip(&row_heights) {
        let mut left = gap_px;
        for picture in row {
            let x = left + (cell_px - picture.width()) / 2;
            let y = top + (row_height - picture.height()) / 2;
            imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
            left += cell_px + gap_px;
        }
        top += row_height + gap_px;
    }
    sheet
}

/// Resizes a picture so that its long side is `side_px`.
#[must_use]
pub fn fit(picture: &RgbImage, side_px: u32) -> RgbImage {
    let (width, height) = fitted_size(picture.dimensions(), side_px);
    if (width, height) == picture.dimensions() {
        return picture.clone();
    }
    imageops::resize(picture, width, height, FilterType::CatmullRom)
}

/// The size `(width, height)` that a picture has when its long side is brought to `side_px`; never below one pixel.
fn fitted_size((width, height): (u32, u32), side_px: u32) -> (u32, u32) {
    let long = u64::from(width.max(height).max(1));
    let scaled = |side: u32| {
        let scaled = (u64::from(side) * u64::from(side_px) + long / 2) / long;
        u32::try_from(scaled).unwrap_or(side_px).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { cell_px: 10, gap_px: 2 };

    #[test]
    fn pictures_stand_in_their_cells() {
        let red = RgbImage::from_pixel(20, 10, Rgb([255, 0, 0]));
        let blue = RgbImage::from_pixel(10, 10, Rgb([0, 0, 255]));
        let sheet = contact_sheet(&[vec![red.clone(), blue.clone()], vec![red]], LAYOUT);
        assert_eq!(sheet.dimensions(), (2 + 2 * 12, 2 + 12 + 7));
        // The red one is 10 × 5 and centred beside the blue one, which fills the row's height.
        assert_eq!(sheet.get_pixel(5, 3), &BACKGROUND);
        assert_eq!(sheet.get_pixel(5, 6), &Rgb([255, 0, 0]));
        assert_eq!(sheet.get_pixel(15, 3), &Rgb([0, 0, 255]));
        assert_eq!(sheet.get_pixel(5, 15), &Rgb([255, 0, 0]));
        assert_eq!(sheet.get_pixel(15, 15), &BACKGROUND);
    }

    #[test]
    fn no_picture_gives_an_empty_margin() {
        assert_eq!(contact_sheet(&[], LAYOUT).dimensions(), (2, 2));
    }

    #[test]
    fn a_fitted_picture_keeps_its_aspect() {
        assert_eq!(fitted_size((4000, 3000), 480), (480, 360));
        assert_eq!(fitted_size((3000, 4000), 480), (360, 480));
        assert_eq!(fitted_size((10_000, 1), 480), (480, 1));
        assert_eq!(fitted_size((1, 1), 480), (480, 480));
    }
}
