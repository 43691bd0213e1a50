//! A checkpoint, as far as it is emitted: its spec, its weights, and what is known of its training.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use glimpse_models::{Classifier, Measure, ModelSpec, Training};

use super::inventory;
use crate::train::checkpoint;
use crate::weights::Weights;

/// What is known of a model beside its weights.
#[derive(Clone, Debug)]
pub struct Description {
    /// What the model is.
    pub spec: ModelSpec,
    /// What a fine-tuned model has beyond its encoder.
    pub classifier: Option<Classifier>,
    /// The classes' names, one for each.
    pub class_names: Option<Vec<String>>,
    /// What it was trained on, how, and for how long.
    pub training: Training,
    /// What was measured of it.
    pub quality: BTreeMap<String, Measure>,
}

impl Description {
    /// A model without a classifier.
    #[must_use]
    pub const fn new(spec: ModelSpec, training: Training) -> Self {
        Self { spec, classifier: None, class_names: None, training, quality: BTreeMap::new() }
    }

    /// Reads the description of the checkpoint in `folder`: `spec.toml` and, where they are there, `training.toml`,
    /// `quality.toml`, `classifier.toml` and `labels.txt`.
    ///
    /// # Errors
    /// Names the file that is missing or cannot be understood.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        let class_names = match there("labels.txt") {
            Some(path) => {
                let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
                Some(text.lines().map(str::to_owned).collect())
            }
            None => None,
        };
        let classifier = there("classifier.toml").map(|path| checkpoint::read_toml(&path)).transpose()?;
        let training = there("training.toml").map(|path| checkpoint::read_toml(&path)).transpose()?;
        let quality = there("quality.toml").map(|path| checkpoint::read_toml(&path)).transpose()?;
        Ok(Self {
            spec: checkpoint::spec(folder)?,
            classifier,
            class_names,
            training: training.unwrap_or_default(),
            quality: quality.unwrap_or_default(),
        })
    }
}

/// A model that was trained or imported. Its weights fit its description.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    description: Description,
    weights: Weights,
}

impl Checkpoint {
    /// A checkpoint of these parts.
    ///
    /// # Errors
    /// Lists every tensor that is missing, surplus, of another shape or not finite.
    pub fn new(description: Description, weights: Weights) -> anyhow::Result<Self> {
        inventory::check(&description.spec, description.classifier.as_ref(), &weights)?;
        Ok(Self { description, weights })
    }

    /// Reads the checkpoint `path`, or the newest one of the run in it. One that was not trained here need not say
    /// anything of its training.
    ///
    /// # Errors
    /// Names the file that is missing or cannot be understood; otherwise as [`Checkpoint::new`].
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let folder = checkpoint::find(path)?;
        let description = Description::read(&folder)?;
        let weights = checkpoint::weights(&folder)?;
        Self::new(description, weights).with_context(|| format!("{} cannot be emitted", folder.display()))
    }

    /// What the model is.
    #[must_use]
    pub const fn spec(&self) -> &ModelSpec {
        &self.description.spec
    }

    /// What is known of it beside its weights.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// Its weights, by checkpoint key.
    #[must_use]
    pub const fn weights(&self) -> &Weights {
        &self.weights
    }
}
