//! int8 weights: symmetric, a scale for each output channel, chosen for the smallest squared error.

use rayon::prelude::*;

/// Codes run from -127 to 127: symmetric, so that no zero point is needed.
const CODE_MAX: f32 = 127.0;

/// How many ends of a channel's range are tried, from its largest weight down.
const RANGES: usize = 16;

/// By which part of the largest weight one range is shorter than the one before. With 8 bits, clipping by more than a few
/// percent costs more than the finer steps gain; within them it matters most where the steps fall.
const RANGE_STEP: f32 = 0.002;

/// A matrix of int8 codes and the scale of each of its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// `[K, M]`, row-major.
    pub codes: Vec<i8>,
    /// `[M]`, all above zero.
    pub scales: Vec<f32>,
}

impl Quantized {
    /// Quantizes the weights of a linear layer.
    ///
    /// # Shapes
    /// - `weights`: `[K, M]` row-major, all finite
    /// - `outputs`: `M`, not 0
    #[must_use]
    pub fn from_weights(weights: &[f32], outputs: usize) -> Self {
        let column = |m: usize| -> Vec<f32> { weights.iter().skip(m).step_by(outputs).copied().collect() };
        let scales: Vec<f32> = (0..outputs).into_par_iter().map(|m| best_scale(&column(m))).collect();
        // of the right length from the start: a matrix that grows takes twice its memory
        let mut codes = Vec::with_capacity(weights.len());
        for row in weights.chunks(outputs) {
            codes.extend(row.iter().zip(&scales).map(|(&w, &s)| code(w, s)));
        }
        Self { codes, scales }
    }

    /// The weights that the codes stand for, as `DequantizeLinear` computes them.
    ///
    /// # Shapes
    /// - returns `[K, M]`, row-major
    #[must_use]
    pub fn widened(&self) -> Vec<f32> {
        let mut weights = Vec::with_capacity(self.codes.len());
        for row in self.codes.chunks(self.scales.len()) {
            weights.extend(row.iter().zip(&self.scales).map(|(&code, &scale)| f32::from(code) * scale));
        }
        weights
    }
}

fn code(weight: f32, scale: f32) -> i8 {
    (weight / scale).round().clamp(-CODE_MAX, CODE_MAX) as i8
}

/// The scale of a channel that leaves the smallest squared error among the ranges that are tried.
fn best_scale(channel: &[f32]) -> f32 {
    let largest = channel.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
    let whole = largest / CODE_MAX;
    // Weights too small for a normal scale are as good as zero, and any scale writes zeros.
    if !whole.is_normal() {
        return 1.0;
    }
    let candidates = (0..RANGES).map(|i| whole * (1.0 - i as f32 * RANGE_STEP));
    candidates.map(|scale| (squared_error(channel, scale), scale)).fold((f64::INFINITY, whole), best).1
}

fn best(a: (f64, f32), b: (f64, f32)) -> (f64, f32) {
    if b.0 < a.0 { b } else { a }
}

fn squared_error(channel: &[f32], scale: f32) -> f64 {
    channel.iter().map(|&weight| f64::from(weight - f32::from(code(weight, scale)) * scale).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;

    /// A `[rows, columns]` matrix whose columns differ in size and have a few large weights.
    fn matrix(rows: usize, columns: usize) -> Vec<f32> {
        let mut rng = Pcg64::seed_from_u64(11);
        let draw = |i: usize| {
            let bell: f32 = (0..6).map(|_| rng.random_range(-1.0_f32..1.0)).sum();
            bell * (1.0 + (i % columns) as f32) * if i.is_multiple_of(97) { 4.0 } else { 1.0 }
        };
        (0..rows * columns).map(draw).collect()
    }

    #[test]
    fn an_error_is_at_most_half_a_step_and_only_ends_are_clipped() {
        for (rows, columns) in [(1, 1), (64, 5), (33, 17)] {
            let weights = matrix(rows, columns);
            let quantized = Quantized::from_weights(&weights, columns);
            for (i, (&weight, &wide)) in weights.iter().zip(&quantized.widened()).enumerate() {
                let scale = quantized.scales[i % columns];
                if weight.abs() <= scale * CODE_MAX {
                    assert!((weight - wide).abs() <= 0.5001 * scale, "{weight} became {wide} at scale {scale}");
                } else {
                    assert_eq!(quantized.codes[i].unsigned_abs(), 127);
                }
            }
        }
    }

    #[test]
    fn clipping_is_never_worse_than_the_whole_range() {
        let (rows, columns) = (128, 12);
        let weights = matrix(rows, columns);
        let quantized = Quantized::from_weights(&weights, columns);
        let mut clipped = 0;
        for m in 0..columns {
            let channel: Vec<f32> = weights.iter().skip(m).step_by(columns).copied().collect();
            let whole = channel.iter().fold(0.0_f32, |a, b| a.max(b.abs())) / CODE_MAX;
            assert!(squared_error(&channel, quantized.scales[m]) <= squared_error(&channel, whole));
            clipped += usize::from(quantized.scales[m] < whole);
        }
        assert!(clipped > 0, "no channel of this matrix gains from clipping");
    }

    #[test]
    fn zeros_and_what_is_next_to_zero_become_zeros() {
        let quantized = Quantized::from_weights(&[0.0, 1e-42, 0.0, -1e-40], 2);
        assert_eq!(quantized.codes, [0; 4]);
        assert_eq!(quantized.scales, [1.0; 2]);
    }

    #[test]
    fn what_lies_on_the_steps_is_exact() {
        let weights: Vec<f32> = (-127_i8..=127).map(|code| f32::from(code) * 0.25).collect();
        assert_eq!(Quantized::from_weights(&weights, 1).widened(), weights);
    }
}
