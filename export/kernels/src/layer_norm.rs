//! Layer norm and its gradient.

use glimpse_kernels::layer_norm::{layer_norm, statistics};
use glimpse_kernels::math::sum;
use glimpse_kernels::vectorized::vectorized;

/// # Shapes
/// - `x`: `[R, C]`
/// - `weight`, `bias`: `[C]`
/// - returns `[R, C]`
#[must_use]
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    layer_norm(x, weight, bias, epsilon, &mut y);
    y
}

/// What [`backward`] finds.
pub struct Gradients {
    /// `[R, C]`
    pub x: Vec<f32>,
    /// `[C]`
    pub weight: Vec<f32>,
    /// `[C]`
    pub bias: Vec<f32>,
}

/// # Shapes
/// - `x`, `grad`: `[R, C]`
/// - `weight`: `[C]`
#[must_use]
pub fn backward(x: &[f32], weight: &[f32], grad: &[f32], epsilon: f32) -> Gradients {
    let c = weight.len();
    let mut found = Gradients { x: x.to_vec(), weight: vec![0.0; c], bias: vec![0.0; c] };
    vectorized(
        #[inline(always)]
        || {
            for (row, grad) in found.x.chunks_exact_mut(c).zip(grad.chunks_exact(c)) {
                let (mean, scale) = statistics(row, epsilon);
                for i in 0..c {
                    row[i] = (row[i] - mean) * scale; // the normalized row
                    found.weight[i] += grad[i] * row[i];
                    found.bias[i] += grad[i];
                }
                let inverse = 1.0 / c as f32;
                let along_mean = sum(c, |i| grad[i] * weight[i]) * inverse;
                let along_row = sum(c, |i| grad[i] * weight[i] * row[i]) * inverse;
                for i in 0..c {
                    row[i] = scale * (grad[i].mul_add(weight[i], -along_mean) - row[i] * along_row);
                }
            }
        },
    );
    found
}
