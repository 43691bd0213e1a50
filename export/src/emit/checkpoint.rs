//! A checkpoint, as far as it is emitted: its spec, its weights, and what is known of its training.

use std::path::Path;

use anyhow::Context;
use glimpse_models::{ModelSpec, Training};

use super::inventory;
use crate::train::checkpoint;
use crate::weights::Weights;

/// A model that was trained or imported. Its weights fit its spec.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    spec: ModelSpec,
    training: Training,
    weights: Weights,
}

impl Checkpoint {
    /// A checkpoint of these parts.
    ///
    /// # Errors
    /// Lists every tensor that is missing, surplus, of another shape or not finite.
    pub fn new(spec: ModelSpec, training: Training, weights: Weights) -> anyhow::Result<Self> {
        inventory::check(&spec, &weights)?;
        Ok(Self { spec, training, weights })
    }

    /// Reads the checkpoint `path`, or the newest one of the run in it. One that was not trained here need not say
    /// anything of its training.
    ///
    /// # Errors
    /// Names the file that is missing or cannot be understood; otherwise as [`Checkpoint::new`].
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let folder = checkpoint::find(path)?;
        let spec = checkpoint::spec(&folder)?;
        let has_training = folder.join("training.toml").exists();
        let training = if has_training { checkpoint::training(&folder)? } else { Training::default() };
        let weights = checkpoint::weights(&folder)?;
        Self::new(spec, training, weights).with_context(|| format!("{} cannot be emitted", folder.display()))
    }

    /// What the model is.
    #[must_use]
    pub const fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// What it was trained on, how, and for how long.
    #[must_use]
    pub const fn training(&self) -> &Training {
        &self.training
    }

    /// Its weights, by checkpoint key.
    #[must_use]
    pub const fn weights(&self) -> &Weights {
        &self.weights
    }
}
