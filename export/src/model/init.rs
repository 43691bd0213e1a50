//! First weights of a model, the same on every device.

use burn::tensor::Device;
use glimpse_models::ModelSpec;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::{Mae, parameters};
use crate::weights::Weights;

/// Standard deviation of the learned tokens.
const TOKEN_STD: f32 = 0.02;

/// Draws first weights: Xavier-uniform matrices, normal tokens, unit norms, zero biases.
///
/// # Errors
/// When the spec has no decoder.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, appendix A.1.
pub fn random_weights(spec: &ModelSpec, seed: u64) -> anyhow::Result<Weights> {
    let blank = Mae::blank(spec, &Device::flex())?;
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut weights = Weights::default();
    for (key, shape) in parameters::shapes(&blank) {
        let count = shape.iter().product();
        let values = if key.ends_with("_token") {
            (0..count).map(|_| TOKEN_STD * normal(&mut rng)).collect()
        } else if let ([inputs, outputs], true) = (shape.as_slice(), key.ends_with(".weight")) {
            let bound = (6.0 / (inputs + outputs) as f32).sqrt();
            (0..count).map(|_| rng.random_range(-bound..bound)).collect()
        } else if key.contains("norm") && key.ends_with(".weight") {
            vec![1.0; count]
        } else {
            vec![0.0; count]
        };
        weights.insert(key, shape, values);
    }
    Ok(weights)
}

/// A standard normal number, by Box and Muller's method.
pub(crate) fn normal(rng: &mut Pcg64) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}
