//! How near a painted hole comes to what was there: PSNR and SSIM, over the hole's pixels alone.

use std::ops::AddAssign;

use anyhow::ensure;
use image::RgbImage;
use ndarray::Array2;
use serde::Serialize;

use super::ssim::{luma, ssim_map};

/// Mean squared error of a value that was rounded to 8 bits. No painting is held to be better than that, so that a
/// perfect one (a hole in a plain sky) has a finite PSNR.
const LEAST_MEAN_SQUARED_ERROR: f64 = 1.0 / 12.0;

/// Peak signal-to-noise ratio of a mean squared error: `10·log10(255² / error)`.
///
/// # Units
/// dB, on 8-bit levels; at most 58.9, the error of rounding to them.
#[must_use]
pub fn psnr_db(mean_squared_error: f64) -> f64 {
    10.0 * (255.0_f64.powi(2) / mean_squared_error.max(LEAST_MEAN_SQUARED_ERROR)).log10()
}

/// What the metrics are computed from: sums over hole pixels. Several holes of one picture add up to one score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    pixels: usize,
    squared_error: f64,
    similarity: f64,
}

impl Score {
    /// Compares a painted picture with the original inside the hole.
    ///
    /// # Shapes
    /// - `original`, `painted`: of one size
    /// - `hole`: `[H, W]`, `true` where it was painted
    ///
    /// # Errors
    /// When the three are not of one size, or the hole is empty.
    pub fn new(original: &RgbImage, painted: &RgbImage, hole: &Array2<bool>) -> anyhow::Result<Self> {
        let size = |picture: &RgbImage| (picture.height() as usize, picture.width() as usize);
        ensure!(
            size(original) == hole.dim() && size(painted) == hole.dim(),
            "an original of {:?}, a painted picture of {:?} and a hole of {:?} (height, width) do not fit each other",
            size(original),
            size(painted),
            hole.dim()
        );
        let similarity = ssim_map(&luma(original), &luma(painted));
        let mut score = Self::default();
        for ((y, x), _) in hole.indexed_iter().filter(|(_, hidden)| **hidden) {
            let (a, b) = (original.get_pixel(x as u32, y as u32), painted.get_pixel(x as u32, y as u32));
            score.pixels += 1;
            score.squared_error += a.0.iter().zip(b.0).map(|(a, b)| f64::from(a.abs_diff(b)).powi(2)).sum::<f64>();
            score.similarity += similarity[(y, x)];
        }
        ensure!(score.pixels > 0, "an empty hole cannot be judged");
        Ok(score)
    }

    /// Peak signal-to-noise ratio over all hole pixels and their three channels, as [`psnr_db`] has it.
    ///
    /// # Units
    /// dB, on 8-bit levels
    #[must_use]
    pub fn psnr_db(&self) -> f64 {
        psnr_db(self.squared_error / (3 * self.pixels) as f64)
    }

    /// Structural similarity: the mean over all hole pixels of [`ssim_map`] on luma.
    ///
    /// # Units
    /// −1 to 1; 1 for equal pictures.
    #[must_use]
    pub fn ssim(&self) -> f64 {
        self.similarity / self.pixels as f64
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.pixels += other.pixels;
        self.squared_error += other.squared_error;
        self.similarity += other.similarity;
    }
}

/// A mean over pictures, and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error: the sample's standard deviation over `√pictures`. None for a single picture.
    pub standard_error: Option<f64>,
    /// How many pictures it is of.
    pub pictures: usize,
}

impl Estimate {
    /// The mean of one value a picture, or none if there are no pictures.
    #[must_use]
    pub fn new(values: &[f64]) -> Option<Self> {
        let pictures = values.len();
        let mean = (pictures > 0).then(|| values.iter().sum::<f64>() / pictures as f64)?;
        let standard_error = (pictures > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (pictures - 1) as f64 / pictures as f64).sqrt()
        });
        Some(Self { mean, standard_error, pictures })
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn pictures() -> (RgbImage, RgbImage, Array2<bool>) {
        let original = RgbImage::from_fn(20, 16, |x, y| Rgb([(x * 9) as u8, (y * 11) as u8, (x * y % 200) as u8]));
        let mut painted = original.clone();
        let hole = Array2::from_shape_fn((16, 20), |(y, x)| (3..9).contains(&y) && (4..15).contains(&x));
        for ((y, x), _) in hole.indexed_iter().filter(|(_, hidden)| **hidden) {
            painted.get_pixel_mut(x as u32, y as u32).0.iter_mut().for_each(|level| *level += 10);
        }
        (original, painted, hole)
    }

    #[test]
    fn an_offset_has_the_psnr_of_its_square() {
        let (original, painted, hole) = pictures();
        let score = Score::new(&original, &painted, &hole).unwrap();
        // 10·log10(255² / 10²)
        assert!((score.psnr_db() - 28.130_803_608_679_1).abs() < 1e-9, "{}", score.psnr_db());
        assert!(score.ssim() < 1.0);
    }

    #[test]
    fn only_hole_pixels_count() {
        let (original, painted, hole) = pictures();
        let mut elsewhere = painted.clone();
        elsewhere.put_pixel(19, 15, Rgb([1, 2, 3]));
        elsewhere.put_pixel(0, 0, Rgb([200, 200, 200]));
        // Beyond the reach of the windows around hole pixels for (19, 15); (0, 0) is within one.
        let (with, without) =
            (Score::new(&original, &elsewhere, &hole).unwrap(), Score::new(&original, &painted, &hole).unwrap());
        assert_eq!((with.pixels, with.squared_error), (without.pixels, without.squared_error));
        elsewhere.put_pixel(0, 0, *painted.get_pixel(0, 0));
        assert_eq!(Score::new(&original, &elsewhere, &hole).unwrap(), without);
    }

    #[test]
    fn a_perfect_painting_is_as_good_as_rounding() {
        let (original, _, hole) = pictures();
        let score = Score::new(&original, &original, &hole).unwrap();
        assert!((score.psnr_db() - 10.0 * (255.0_f64.powi(2) * 12.0).log10()).abs() < 1e-9);
        assert!((score.ssim() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn holes_add_up_by_their_pixels() {
        let mut score = Score { pixels: 1, squared_error: 3.0 * 400.0, similarity: 0.2 };
        score += Score { pixels: 3, squared_error: 0.0, similarity: 3.0 };
        // Mean squared error 100 over four pixels.
        assert!((score.psnr_db() - 28.130_803_608_679_1).abs() < 1e-9);
        assert!((score.ssim() - 0.8).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (original, painted, hole) = pictures();
        assert!(Score::new(&original, &RgbImage::new(20, 15), &hole).is_err());
        assert!(Score::new(&original, &painted, &Array2::from_elem((16, 20), false)).is_err());
    }

    #[test]
    fn estimates_by_hand() {
        assert_eq!(Estimate::new(&[]), None);
        assert_eq!(Estimate::new(&[3.0]), Some(Estimate { mean: 3.0, standard_error: None, pictures: 1 }));
        // Sample variance ((1 + 1 + 4) / 2 = 3) over three values: √(3 / 3) = 1.
        let estimate = Estimate::new(&[1.0, 1.0, 4.0]).unwrap();
        assert_eq!(estimate, Estimate { mean: 2.0, standard_error: Some(1.0), pictures: 3 });
    }
}
