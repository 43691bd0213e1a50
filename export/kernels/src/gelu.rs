//! GELU and its gradient.

use glimpse_kernels::math::normal;
use glimpse_kernels::vectorized::vectorized;

/// `x·Φ(x)`.
#[must_use]
pub fn forward(x: &[f32]) -> Vec<f32> {
    let mut y = x.to_vec();
    vectorized(
        #[inline(always)]
        || {
            for y in &mut y {
                *y *= normal(*y).0;
            }
        },
    );
    y
}

/// `grad·(Φ(x) + x·φ(x))`.
#[must_use]
pub fn backward(x: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut dx = grad.to_vec();
    vectorized(
        #[inline(always)]
        || {
            for (dx, &x) in dx.iter_mut().zip(x) {
                let (below, density) = normal(x);
                *dx *= x.mul_add(density, below);
            }
        },
    );
    dx
}
