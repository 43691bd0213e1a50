//! Resizing in fixed point, as `fast_image_resize` does it to bytes.

use glimpse_kernels::resize::Side;

use crate::frame::Samples;

/// Bits of a sum beyond a byte's, with two to spare for what a filter's negative parts make larger.
const SUM_BITS: u32 = 32 - 8 - 2;
/// Bits of a tap, its sign left out.
const TAP_BITS: u32 = 15;

/// How a side of so many values becomes one of so many pixels: bicubic, with antialiasing where it shrinks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taps {
    /// The first pixel that is read: `[to]`
    first: Vec<u32>,
    /// Zeros after a pixel's last: `[to, count]`
    weights: Vec<i16>,
    /// Taps of each pixel.
    pub(crate) count: usize,
    /// Sums are in units of 2^−shift.
    pub(crate) shift: u32,
    /// Pixels of the side that is resized.
    from: usize,
}

impl Taps {
    /// # Source
    /// Keys 1981, "Cubic convolution interpolation for digital image processing", with a = −½ (Catmull–Rom).
    pub(crate) fn new(samples: Samples, to: usize) -> Self {
        let from = samples.len();
        // what is for two pixels may be for one at the end
        let scale = samples.pixels as f64 / samples.each as f64 / to as f64;
        let widen = scale.max(1.0);
        let radius = 2.0 * widen;
        let rows: Vec<(usize, Vec<f64>)> = (0..to)
            .map(|place| {
                let center = (place as f64 + 0.5) * scale;
                let first = (center - radius).floor().max(0.0) as usize;
                let end = ((center + radius).ceil() as usize).min(from);
                let weights: Vec<f64> =
                    (first..end).map(|x| catmull_rom((x as f64 - (center - 0.5)) * (1.0 / widen))).collect();
                let sum: f64 = weights.iter().sum();
                (first, weights.iter().map(|weight| weight / sum).collect())
            })
            .collect();
        let largest = rows.iter().flat_map(|(_, weights)| weights).copied().fold(0.0, f64::max);
        let fits = |shift: &u32| (largest * 2f64.powi(*shift as i32)).round() < f64::from(1u32 << TAP_BITS);
        let shift = (0..SUM_BITS).take_while(fits).last().unwrap_or_default();
        let taps = rows.iter().map(|(_, weights)| weights.len()).max().unwrap_or_default();
        let fixed = |(_, weights): &(usize, Vec<f64>)| {
            let fixed = weights.iter().map(|weight| (weight * f64::from(1u32 << shift)).round() as i16);
            fixed.chain(std::iter::repeat_n(0, taps - weights.len())).collect::<Vec<_>>()
        };
        Self {
            first: rows.iter().map(|(first, _)| *first as u32).collect(),
            weights: rows.iter().flat_map(fixed).collect(),
            count: taps,
            shift,
            from,
        }
    }

    /// As the CPU's kernel reads them.
    pub(crate) fn side(&self) -> Side<'_> {
        Side { first: &self.first, taps: &self.weights, count: self.count, shift: self.shift, len: self.from }
    }

    /// What is read of the side for these pixels.
    #[cfg(feature = "gpu")]
    pub(crate) fn reads(&self, pixels: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let ends = self.first[pixels.clone()].iter().map(|first| (*first as usize + self.count).min(self.from));
        self.first[pixels.start] as usize..ends.max().unwrap_or_default()
    }

    /// The first pixel that is read for each, how many are, and the taps.
    #[cfg(feature = "gpu")]
    pub(crate) fn pixels(&self) -> impl Iterator<Item = (usize, usize, &[i16])> {
        let rows = self.first.iter().zip(self.weights.chunks_exact(self.count));
        rows.map(|(first, taps)| (*first as usize, self.count.min(self.from - *first as usize), taps))
    }
}

fn catmull_rom(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pixel's taps lie around its own middle, whether a value is for one pixel or for two, and the pixels odd in number.
    #[test]
    fn taps_lie_where_their_pixel_is() {
        for (pixels, each, to) in [(200, 1, 48), (203, 1, 48), (200, 2, 48), (203, 2, 48), (33, 2, 8), (20, 2, 64)] {
            let taps = Taps::new(Samples { pixels, each }, to);
            let scale = pixels as f64 / to as f64;
            // at the sides there is less to the one side than to the other
            let inside = (2.0 * f64::max(scale, each as f64) / scale).ceil() as usize;
            for pixel in inside..to - inside {
                let first = taps.first[pixel] as usize;
                let weights = taps.weights[pixel * taps.count..][..taps.count].iter().copied().map(f64::from);
                let sum: f64 = weights.clone().sum();
                let places = weights.enumerate().map(|(k, weight)| weight * ((first + k) as f64 + 0.5));
                let middle = places.sum::<f64>() / sum * each as f64;
                let wanted = (pixel as f64 + 0.5) * scale;
                assert!((middle - wanted).abs() < 0.02 * scale, "{pixels} by {each} to {to}: {middle} for {wanted}");
            }
        }
    }
}
