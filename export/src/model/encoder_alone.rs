//! An encoder without a decoder, on the model that always has both.

use burn::tensor::Device;
use glimpse_models::{ModelSpec, NormPlace, Part, RawSpec, Transformer};

use super::Mae;
use crate::emit::inventory::inventory;
use crate::weights::Weights;

/// The smallest decoder.
const BLANK: Transformer = Transformer { width: 4, depth: 1, heads: 1 };

/// The encoder of `spec`, which has no decoder: one of zeros stands in for it, and nothing asks for what it paints.
///
/// # Errors
/// As [`Mae::from_weights`].
pub fn encoder_alone(spec: &ModelSpec, norm: NormPlace, mut weights: Weights, device: &Device) -> anyhow::Result<Mae> {
    let spec = ModelSpec::new(RawSpec { decoder: Some(BLANK), ..RawSpec::from(*spec) })?;
    for (key, shape) in inventory(&spec, Part::Decoder) {
        let values = vec![0.0; shape.iter().product()];
        weights.insert(key, shape, values);
    }
    Mae::taking(&spec, norm, weights, device)
}
