//! What fine-tuning starts from: a trained encoder or a random one, and a fresh classifier behind it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use glimpse_models::{Base, Classifier, ModelSpec, NormPlace, Part, Pool, RawSpec};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::emit::inventory::{self, classifier_inventory};
use crate::import::{Options, Plan};
use crate::model::{normal, random_weights};
use crate::weights::Weights;

/// Deviation of a fresh classifier's weights: small, so that the encoder is not torn about by its first answers.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, the fine-tuning code that goes with it.
const HEAD_STD: f32 = 2e-5;

/// Where an encoder comes from.
#[derive(Clone, Debug)]
pub enum StartFrom {
    /// A checkpoint, a run, a bundle, or public weights.
    Trained(PathBuf),
    /// A model of that spec before any training.
    Random(ModelSpec),
}

/// An encoder with a classifier that knows nothing yet.
#[derive(Clone, Debug)]
pub struct Start {
    /// The encoder's sizes; it has no decoder.
    pub spec: ModelSpec,
    /// How it tells classes apart: by the mean of its patches' tokens, normalized in the classifier.
    pub classifier: Classifier,
    /// The weights of both.
    pub weights: Weights,
    /// What the encoder's weights are called, where they were trained.
    pub source: Option<String>,
}

impl Start {
    /// Takes an encoder and draws a classifier of `classes` by `seed`. A classifier that came with the encoder is left.
    ///
    /// # Errors
    /// When the weights cannot be read or do not fit.
    pub fn new(from: &StartFrom, classes: usize, seed: u64) -> anyhow::Result<Self> {
        let (spec, weights, source) = match from {
            StartFrom::Trained(path) => {
                let (spec, weights) = trained(path).with_context(|| format!("starting from {}", path.display()))?;
                (spec, weights, path.file_name().map(|name| name.to_string_lossy().into_owned()))
            }
            StartFrom::Random(spec) => (*spec, random_weights(spec, seed)?, None),
        };
        let spec = ModelSpec::new(RawSpec { decoder: None, norm_pix: false, base: Base::Zero, ..RawSpec::from(spec) })?;
        let classifier = Classifier { pool: Pool::Mean, norm: NormPlace::Classifier, classes };
        let of_encoder = inventory::inventory_beside(&spec, Some(&classifier), Part::Encoder);
        let (mut weights, _) =
            weights.partition(|key| key == "pos_embed" || of_encoder.iter().any(|(known, _)| known == key));
        let mut rng = Pcg64::seed_from_u64(seed);
        for (key, shape) in classifier_inventory(&spec, &classifier) {
            let count = shape.iter().product();
            let values = match key.as_str() {
                "head.weight" => (0..count).map(|_| HEAD_STD * normal(&mut rng)).collect(),
                "fc_norm.weight" => vec![1.0; count],
                _ => vec![0.0; count],
            };
            weights.insert(key, shape, values);
        }
        inventory::check(&spec, Some(&classifier), &weights)?;
        Ok(Self { spec, classifier, weights, source })
    }
}

fn trained(path: &Path) -> anyhow::Result<(ModelSpec, Weights)> {
    let plan = Plan::open(path, &Options::default())?;
    Ok((plan.description.spec, plan.weights()?))
}
