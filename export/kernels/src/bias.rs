//! The gradient of a linear layer's bias.

use glimpse_kernels::vectorized::vectorized;

/// The sum of all rows: the gradient of the bias.
///
/// # Shapes
/// - `grad`: `[R, C]`
/// - returns `[C]`
#[must_use]
pub fn backward(grad: &[f32], c: usize) -> Vec<f32> {
    let mut found = vec![0.0; c];
    vectorized(
        #[inline(always)]
        || {
            for row in grad.chunks_exact(c) {
                for (sum, value) in found.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    );
    found
}
