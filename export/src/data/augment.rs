//! Random resized crops and flips.

use anyhow::Context;
use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use rand::RngExt;
use rand_pcg::Pcg64;

/// Part of the picture's area that a crop covers, at least, where nothing else is said.
const LEAST_AREA: f64 = 0.15;
/// Bounds of a crop's width over its height.
const ASPECT: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// Tries to find a crop that fits before the largest centred square is taken.
const TRIES: usize = 10;

/// Where a crop lies, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Crop {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// Cuts random crops out of pictures and brings them to one size, with one resizer's buffers.
pub struct Augment {
    resizer: Resizer,
    side: usize,
    least_area: f64,
}

impl Augment {
    /// For square crops of `side` pixels.
    #[must_use]
    pub fn new(side: usize) -> Self {
        Self { resizer: Resizer::new(), side, least_area: LEAST_AREA }
    }

    /// The same, for crops that cover at least this part of a picture's area, above 0 and at most 1.
    #[must_use]
    pub fn with_least_area(self, least_area: f64) -> Self {
        Self { least_area, ..self }
    }

    /// A random crop, bicubic with antialiasing, flipped left to right half of the time.
    ///
    /// # Shapes
    /// - returns `[side, side, 3]`, 8-bit
    ///
    /// # Errors
    /// When the resizer refuses the sizes.
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, appendix A.1 (random resized cropping).
    pub fn crop(&mut self, picture: &RgbImage, rng: &mut Pcg64) -> anyhow::Result<Vec<u8>> {
        let crop = random_crop(f64::from(picture.width()), f64::from(picture.height()), self.least_area, rng);
        let mut pixels = self.resized(picture, crop)?;
        if rng.random::<bool>() {
            for row in pixels.chunks_exact_mut(self.side * 3) {
                flip_row(row);
            }
        }
        Ok(pixels)
    }

    /// The largest centred square: what validation looks at.
    ///
    /// # Errors
    /// When the resizer refuses the sizes.
    pub fn centre(&mut self, picture: &RgbImage) -> anyhow::Result<Vec<u8>> {
        self.resized(picture, centre_square(f64::from(picture.width()), f64::from(picture.height())))
    }

    /// The whole picture, squeezed into the square: what the runtime looks at.
    ///
    /// # Errors
    /// When the resizer refuses the sizes.
    pub fn whole(&mut self, picture: &RgbImage) -> anyhow::Result<Vec<u8>> {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        self.resized(picture, Crop { left: 0.0, top: 0.0, width, height })
    }

    fn resized(&mut self, picture: &RgbImage, crop: Crop) -> anyhow::Result<Vec<u8>> {
        let source = fast_image_resize::images::ImageRef::new(
            picture.width(),
            picture.height(),
            picture.as_raw(),
            PixelType::U8x3,
        )
        .context("viewing a picture for resizing")?;
        let side = self.side as u32;
        let mut target = Image::new(side, side, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).crop(
            crop.left,
            crop.top,
            crop.width,
            crop.height,
        );
        self.resizer.resize(&source, &mut target, Some(&options)).context("resizing a crop")?;
        Ok(target.into_vec())
    }
}

fn random_crop(width: f64, height: f64, least_area: f64, rng: &mut Pcg64) -> Crop {
    for _ in 0..TRIES {
        let area = rng.random_range(least_area..=1.0) * width * height;
        let aspect = rng.random_range(ASPECT.0.ln()..ASPECT.1.ln()).exp();
        let (w, h) = ((area * aspect).sqrt(), (area / aspect).sqrt());
        if w <= width && h <= height {
            let left = rng.random_range(0.0..=width - w);
            let top = rng.random_range(0.0..=height - h);
            return Crop { left, top, width: w, height: h };
        }
    }
    centre_square(width, height)
}

fn centre_square(width: f64, height: f64) -> Crop {
    let side = width.min(height);
    Crop { left: (width - side) / 2.0, top: (height - side) / 2.0, width: side, height: side }
}

fn flip_row(row: &mut [u8]) {
    let (pixels, _) = row.as_chunks_mut::<3>();
    pixels.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn crops_lie_within_the_picture_and_differ() {
        let mut rng = Pcg64::seed_from_u64(1);
        let mut seen = Vec::new();
        for _ in 0..200 {
            let crop = random_crop(640.0, 427.0, LEAST_AREA, &mut rng);
            assert!(crop.left >= 0.0 && crop.left + crop.width <= 640.0 + 1e-9);
            assert!(crop.top >= 0.0 && crop.top + crop.height <= 427.0 + 1e-9);
            seen.push(crop);
        }
        seen.dedup();
        assert_eq!(seen.len(), 200);
    }

    #[test]
    fn flipping_twice_is_nothing() {
        let mut row: Vec<u8> = (0..12).collect();
        flip_row(&mut row);
        assert_eq!(&row[..6], &[9, 10, 11, 6, 7, 8]);
        flip_row(&mut row);
        assert_eq!(row, (0..12).collect::<Vec<u8>>());
    }
}
