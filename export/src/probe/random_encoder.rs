//! The bundle's encoder before any training: what its architecture alone is worth.

use glimpse_models::{Bundle, Existing, ModelSpec, RawSpec, Training, Transformer};

use crate::emit::{Checkpoint, Description, Labels, emit};
use crate::model::random_weights;

/// The smallest decoder: first weights are drawn for both halves, and only the encoder is used.
const DECODER: Transformer = Transformer { width: 4, depth: 1, heads: 1 };

/// A bundle with an encoder of the same spec and first weights, drawn by `seed`.
///
/// # Errors
/// When it cannot be written to a temporary folder.
pub fn random_encoder(spec: &ModelSpec, seed: u64) -> anyhow::Result<Bundle> {
    let spec = ModelSpec::new(RawSpec { decoder: Some(DECODER), ..RawSpec::from(*spec) })?;
    let checkpoint = Checkpoint::new(Description::new(spec, Training::default()), random_weights(&spec, seed)?)?;
    let (manifest, files) = emit(&checkpoint, &Labels { name: "random", licence: "CC0-1.0", card: None })?;
    let folder = tempfile::tempdir()?;
    Ok(Bundle::write(folder.path().join("random"), &manifest, &files, Existing::Refuse)?)
}
