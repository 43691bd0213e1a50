//! The classifier of a fine-tuned model.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, s};
use glimpse_models::{Classifier, ModelSpec, NormPlace, Pool};

use super::layer_norm::LayerNorm;
use super::parameters;
use crate::weights::Weights;

/// Pools an encoder's tokens and tells classes apart. The names of its fields are the keys of a checkpoint.
#[derive(Module, Debug)]
pub struct ClassifierHead {
    fc_norm: Option<LayerNorm>,
    head: Linear,
    #[module(skip)]
    classifier: Classifier,
}

impl ClassifierHead {
    /// Whether a checkpoint's key is one of a classifier's.
    #[must_use]
    pub fn owns(key: &str) -> bool {
        key.starts_with("fc_norm.") || key.starts_with("head.")
    }

    /// A classifier that the weights are moved into.
    ///
    /// # Errors
    /// When a tensor is missing, surplus or of another shape: all of them are named.
    pub fn taking(spec: &ModelSpec, classifier: Classifier, weights: Weights, device: &Device) -> anyhow::Result<Self> {
        let c = spec.encoder().width;
        let norm = || LayerNorm::init(c, spec.layer_norm_epsilon(), device);
        let blank = Self {
            fc_norm: (classifier.norm == NormPlace::Classifier).then(norm),
            head: LinearConfig::new(c, classifier.classes).init(device),
            classifier,
        };
        parameters::load(blank, weights)
    }

    /// A number for each class.
    ///
    /// # Shapes
    /// - `tokens`: `[B, N+1, C]`, the class token first
    /// - returns `[B, K]`
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, appendix A.1.
    #[must_use]
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<2> {
        let pooled = match self.classifier.pool {
            Pool::Cls => tokens.slice(s![.., 0..1, ..]),
            Pool::Mean => tokens.slice(s![.., 1.., ..]).mean_dim(1),
        }; // [B, 1, C]
        let x = match &self.fc_norm {
            Some(norm) => norm.forward(pooled),
            None => pooled,
        }; // [B, 1, C]
        self.head.forward(x).squeeze_dim(1) // [B, K]
    }
}
