//! Layer norm.

use super::math::sum_of;
use super::vectorized::vectorized;

/// Takes the mean from each row and divides it by its deviation, then scales and shifts it.
///
/// # Shapes
/// - `x`, `out`: `[R, C]`
/// - `weight`, `bias`: `[C]`
///
/// # Source
/// Ba et al. 2016, arXiv:1607.06450.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    let c = weight.len().max(1);
    vectorized(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(c).zip(out.chunks_exact_mut(c)) {
                let (mean, scale) = statistics(x, epsilon);
                for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
                    *out = ((*x - mean) * scale).mul_add(*weight, *bias);
                }
            }
        },
    );
}

/// A row's mean, and what its distance from it is multiplied by.
#[must_use]
#[inline(always)]
pub fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    let inverse = 1.0 / row.len() as f32;
    let mean = sum_of(row, |x| x) * inverse;
    let variance = sum_of(row, |x| (x - mean) * (x - mean)) * inverse;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_formula() {
        for [r, c] in [[1, 1], [3, 5], [2, 16], [5, 33]] {
            let x: Vec<f32> = (0..r * c).map(|i| (i as f32 * 0.9).sin() * 3.0 + 1.0).collect();
            let weight: Vec<f32> = (0..c).map(|i| 0.5 + i as f32 * 0.1).collect();
            let bias: Vec<f32> = (0..c).map(|i| i as f32 * 0.2 - 1.0).collect();
            let mut out = vec![f32::NAN; r * c];
            layer_norm(&x, &weight, &bias, 1e-3, &mut out);
            for (x, out) in x.chunks(c).zip(out.chunks(c)) {
                let x: Vec<f64> = x.iter().copied().map(f64::from).collect();
                let mean = x.iter().sum::<f64>() / c as f64;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / c as f64;
                for (j, (x, out)) in x.iter().zip(out).enumerate() {
                    let wanted = (x - mean) / (variance + 1e-3).sqrt() * f64::from(weight[j]) + f64::from(bias[j]);
                    assert!((wanted - f64::from(*out)).abs() < 1e-5, "{r}×{c}");
                }
            }
        }
    }
}
