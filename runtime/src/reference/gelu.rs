//! The Gaussian error linear unit.

/// `x · Φ(x)`, with the exact `Φ` and not its tanh approximation.
///
/// # Source
/// Hendrycks and Gimpel 2016, arXiv:1606.08415.
#[must_use]
pub fn gelu(x: f32) -> f32 {
    let x = f64::from(x);
    (0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2))) as f32
}
