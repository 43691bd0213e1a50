//! Brings a region of the picture to a level's canvas.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array2, Array3, ArrayView2};

use super::{level::Level, rect::Rect};
use crate::{Error, Result};

/// The region's colours on the canvas: bicubic, with antialiasing where it shrinks.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`
/// - returns `[3, rows, cols]`
///
/// # Units
/// Grey levels of 255.
///
/// # Errors
/// [`Error::Resize`] if the picture is larger than the resizer takes.
pub(super) fn colours(picture: &Array3<u8>, level: &Level) -> Result<Array3<f32>> {
    let (height, width, _) = picture.dim();
    let Rect { y, x, height: region_height, width: region_width } = level.region;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Resize {
        from: (region_height, region_width),
        to: (level.rows, level.cols),
        source,
    };
    let bytes = picture.as_slice().unwrap_or_default();
    let from = TypedImageRef::<U8x3>::from_buffer(width as u32, height as u32, bytes).map_err(|e| failed(e.into()))?;
    let mut canvas = vec![0; level.rows * level.cols * 3];
    let mut to = TypedImage::<U8x3>::from_buffer(level.cols as u32, level.rows as u32, &mut canvas)
        .map_err(|e| failed(e.into()))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).crop(
        x as f64,
        y as f64,
        region_width as f64,
        region_height as f64,
    );
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(|e| failed(e.into()))?;
    let at = |channel, row, col| f32::from(canvas[(row * level.cols + col) * 3 + channel]);
    Ok(Array3::from_shape_fn((3, level.rows, level.cols), |(channel, row, col)| at(channel, row, col)))
}

/// The canvas pixels that a hole pixel of the region falls on, even in part.
///
/// # Shapes
/// - `hole`: `[H, W]`
/// - returns `[rows, cols]`
pub(super) fn hole(hole: ArrayView2<bool>, level: &Level) -> Array2<bool> {
    let Level { region, rows, cols } = *level;
    let mut on_canvas = Array2::from_elem((rows, cols), false);
    let (ys, xs) = region.ranges();
    for y in ys {
        let touched_rows = touched(y - region.y, region.height, rows);
        for x in xs.clone().filter(|x| hole[[y, *x]]) {
            for row in touched_rows.clone() {
                for col in touched(x - region.x, region.width, cols) {
                    on_canvas[[row, col]] = true;
                }
            }
        }
    }
    on_canvas
}

/// The canvas pixels under pixel `at` of `length`, along an axis of `canvas` pixels.
fn touched(at: usize, length: usize, canvas: usize) -> std::ops::Range<usize> {
    at * canvas / length..((at + 1) * canvas).div_ceil(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(rows: usize, cols: usize) -> Level {
        Level { region: Rect { y: 2, x: 3, height: 20, width: 30 }, rows, cols }
    }

    #[test]
    fn a_canvas_pixel_is_hidden_if_any_pixel_under_it_is() {
        for (rows, cols) in [(20, 30), (10, 10), (7, 11), (128, 45), (1, 1)] {
            let picture = Array2::from_shape_fn((24, 40), |(y, x)| (y * 31 + x * 17) % 29 == 0);
            let on_canvas = hole(picture.view(), &level(rows, cols));
            for ((row, col), got) in on_canvas.indexed_iter() {
                let overlaps = |at: usize, length: usize, cell: usize, canvas: usize| {
                    at * canvas < (cell + 1) * length && (at + 1) * canvas > cell * length
                };
                let any = (0..20).any(|y| {
                    overlaps(y, 20, row, rows) && (0..30).any(|x| overlaps(x, 30, col, cols) && picture[[y + 2, x + 3]])
                });
                assert_eq!(*got, any, "{row} {col} of {rows}×{cols}");
            }
        }
    }

    #[test]
    fn a_canvas_of_the_same_size_is_the_region() {
        let picture = Array3::from_shape_fn((24, 40, 3), |(y, x, c)| (y * 40 + x * 3 + c) as u8);
        let canvas = colours(&picture, &level(20, 30)).unwrap();
        assert!(canvas.indexed_iter().all(|((c, y, x), v)| *v == f32::from(picture[[y + 2, x + 3, c]])));
    }
}
