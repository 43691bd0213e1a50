//! Layer normalization.

use ndarray::{Array2, ArrayView1, ArrayView2};

/// Each row less its mean, over its standard deviation, times `weight`, plus `bias`.
///
/// # Shapes
/// - `x`: `[T, C]`
/// - `weight`, `bias`: `[C]`
/// - returns `[T, C]`
///
/// # Source
/// Ba et al. 2016, arXiv:1607.06450; the variance is the biased one.
#[must_use]
pub fn layer_norm(x: ArrayView2<f32>, weight: ArrayView1<f32>, bias: ArrayView1<f32>, epsilon: f64) -> Array2<f32> {
    let mut y = x.to_owned();
    for mut row in y.rows_mut() {
        let c = row.len() as f64;
        let mean = row.iter().map(|&value| f64::from(value)).sum::<f64>() / c;
        let variance = row.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / c;
        for (channel, value) in row.iter_mut().enumerate() {
            let unit = (f64::from(*value) - mean) / (variance + epsilon).sqrt();
            *value = (unit * f64::from(weight[channel]) + f64::from(bias[channel])) as f32;
        }
    }
    y
}
