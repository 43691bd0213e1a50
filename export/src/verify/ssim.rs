//! Structural similarity of two pictures, pixel by pixel.

use image::RgbImage;
use ndarray::{Array2, ArrayView2, Zip};

/// Half the side of the window, less its middle: 11 × 11 pixels in all.
const RADIUS: usize = 5;
/// Standard deviation of the window's Gaussian weights, in pixels.
const SIGMA_PX: f64 = 1.5;
/// `(K1·L)²` and `(K2·L)²` of the paper, for levels of 0 to 255.
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// The similarity around each pixel, 1 where the two are alike. At the rim, a picture goes on as its mirror image.
///
/// # Shapes
/// - `a`, `b`: `[H, W]`
/// - returns `[H, W]`
///
/// # Units
/// Levels of 0 to 255 in, −1 to 1 out.
///
/// # Source
/// Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", equation 13, with the
/// weights of its section III.C.
#[must_use]
pub fn ssim_map(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let mean_a = blur(&a.view());
    let mean_b = blur(&b.view());
    let variance_a = blur(&(a * a).view()) - &mean_a * &mean_a;
    let variance_b = blur(&(b * b).view()) - &mean_b * &mean_b;
    let covariance = blur(&(a * b).view()) - &mean_a * &mean_b;

    let mut similarity = (variance_a + variance_b + C2) * (&mean_a * &mean_a + &mean_b * &mean_b + C1);
    Zip::from(&mut similarity).and(&mean_a).and(&mean_b).and(&covariance).for_each(|value, a, b, covariance| {
        *value = (2.0 * a * b + C1) * (2.0 * covariance + C2) / *value;
    });
    similarity
}

/// The brightness that the eye sees: luma of ITU-R BT.601.
///
/// # Shapes
/// - `picture`: of any size
/// - returns `[H, W]`
///
/// # Units
/// Levels of 0 to 255.
#[must_use]
pub fn luma(picture: &RgbImage) -> Array2<f64> {
    let size = (picture.height() as usize, picture.width() as usize);
    Array2::from_shape_fn(size, |(y, x)| {
        let [r, g, b] = picture.get_pixel(x as u32, y as u32).0.map(f64::from);
        0.299 * r + 0.587 * g + 0.114 * b
    })
}

/// Weighs each pixel's window: down the columns, then along the rows.
fn blur(plane: &ArrayView2<f64>) -> Array2<f64> {
    let down = blur_columns(plane);
    blur_columns(&down.t().as_standard_layout().view()).reversed_axes()
}

fn blur_columns(plane: &ArrayView2<f64>) -> Array2<f64> {
    let height = plane.nrows();
    let mut blurred = Array2::zeros(plane.raw_dim());
    for (y, mut row) in blurred.outer_iter_mut().enumerate() {
        for (tap, weight) in gaussian().into_iter().enumerate() {
            row.scaled_add(weight, &plane.row(mirrored(y + tap, height)));
        }
    }
    blurred
}

/// Weights of a window's row; they sum to 1.
fn gaussian() -> [f64; 2 * RADIUS + 1] {
    let weights: [f64; 2 * RADIUS + 1] = std::array::from_fn(|tap| {
        let distance_px = tap as f64 - RADIUS as f64;
        (-0.5 * (distance_px / SIGMA_PX).powi(2)).exp()
    });
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Where `RADIUS` before `place` lies on an axis of `len` pixels whose ends are mirrors between two pixels.
fn mirrored(place: usize, len: usize) -> usize {
    let period = 2 * len;
    let place = (place + RADIUS * (period - 1)) % period;
    place.min(period - 1 - place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels from a linear congruential generator, the same in Python.
    fn noise(seed: u32, height: u32, width: u32) -> RgbImage {
        let mut state = seed;
        RgbImage::from_fn(width, height, |_, _| {
            image::Rgb([(); 3].map(|()| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            }))
        })
    }

    fn seeded_pair() -> (Array2<f64>, Array2<f64>) {
        let a = noise(1, 12, 15);
        let mut b = noise(2, 12, 15);
        for (b, a) in b.iter_mut().zip(a.iter()) {
            *b = ((3 * u16::from(*a) + u16::from(*b)) / 4) as u8;
        }
        (luma(&a), luma(&b))
    }

    /// The numbers are those of scikit-image 0.26.0: `structural_similarity(a, b, data_range=255, gaussian_weights=True,
    /// sigma=1.5, use_sample_covariance=False, full=True)` on the same lumas, at corners, inside and on an edge.
    #[test]
    fn agrees_with_scikit_image() {
        let (a, b) = seeded_pair();
        let map = ssim_map(&a, &b);
        for (place, expected) in [
            ((0, 0), 0.929_460_850_984_297_4),
            ((0, 13), 0.946_565_933_112_021_5),
            ((4, 7), 0.917_539_926_144_487_3),
            ((11, 14), 0.939_823_703_567_269_7),
            ((5, 0), 0.886_782_387_863_922_6),
        ] {
            assert!((map[place] - expected).abs() < 1e-12, "{place:?}: {} against {expected}", map[place]);
        }
        assert!((map.mean().unwrap() - 0.915_160_420_788_232_5).abs() < 1e-12);
    }

    #[test]
    fn alike_is_one_everywhere() {
        let (a, _) = seeded_pair();
        assert!(ssim_map(&a, &a).iter().all(|value| (value - 1.0).abs() < 1e-12));
    }

    #[test]
    fn is_symmetric_and_at_most_one() {
        let (a, b) = seeded_pair();
        let (ab, ba) = (ssim_map(&a, &b), ssim_map(&b, &a));
        assert!(ab.iter().zip(&ba).all(|(ab, ba)| (ab - ba).abs() < 1e-12 && *ab < 1.0));
    }

    #[test]
    fn mirrors_lie_between_pixels_however_small_the_picture() {
        let places = |len| (0..=2 * RADIUS).map(|tap| mirrored(tap, len)).collect::<Vec<_>>();
        assert_eq!(places(100), [4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5]);
        assert_eq!(places(2), [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1]);
        assert_eq!(places(1), [0; 11]);
        assert_eq!(mirrored(99 + 2 * RADIUS, 100), 95);
    }
}
