//! An encoder and the classifier behind it, learning together.

use std::ops::Range;

use burn::module::{Module, ParamId};
use burn::tensor::{Device, Tensor, TensorData, activation};
use glimpse_models::{Classifier, ModelSpec};

use super::batch::Batch;
use super::drop_path::BRANCHES;
use crate::model::{ClassifierHead, Mae, Products, encoder_alone, parameters};
use crate::train::Learner;
use crate::weights::Weights;

/// An encoder that sees every patch, and its classifier.
#[derive(Module, Debug)]
pub struct FineTuned {
    mae: Mae,
    head: ClassifierHead,
}

impl FineTuned {
    /// A model that the weights are moved into: those of the encoder and those of the classifier, as a checkpoint has them.
    ///
    /// # Errors
    /// When a tensor is missing, surplus or of another shape: all of them are named.
    pub fn taking(spec: &ModelSpec, classifier: Classifier, weights: Weights, device: &Device) -> anyhow::Result<Self> {
        let (of_head, of_encoder) = weights.partition(ClassifierHead::owns);
        let mae = encoder_alone(spec, classifier.norm, of_encoder, device)?;
        let head = ClassifierHead::taking(spec, classifier, of_head, device)?;
        Ok(parameters::numbered(Self { mae, head }))
    }

    /// Its parameters on the CPU, as a checkpoint has them.
    ///
    /// # Errors
    /// When a tensor cannot be read back from the device.
    pub fn to_weights(&self) -> anyhow::Result<Weights> {
        // A decoder of zeros stands in for the one that there is not.
        let of_decoder = |key: &str| key.starts_with("decoder_") || key == "mask_token";
        let (_, mut weights) = self.mae.to_weights()?.partition(of_decoder);
        for (key, weight) in parameters::read(&self.head)?.iter() {
            weights.insert(key, weight.shape.clone(), weight.values.clone());
        }
        Ok(weights)
    }

    /// A number for each class.
    ///
    /// # Shapes
    /// - `patches`: `[B, L, P·P·3]`, normalized, all of the grid
    /// - `kept`: `[B, depth, 2]`, what each branch is multiplied by; empty for all ones
    /// - returns `[B, K]`
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, appendix A.1; Huang et al. 2016, arXiv:1603.09382, section 3.
    #[must_use]
    pub fn logits(&self, patches: Tensor<3>, kept: &[f32]) -> Tensor<2> {
        let [b, l, _] = patches.dims();
        let device = patches.device();
        let positions: Vec<i64> = (0..b).flat_map(|_| 0..l as i64).collect();
        let branches = kept.len() / b; // 2·depth
        let branch = |index: usize| {
            let values: Vec<f32> = kept.iter().skip(index).step_by(branches).copied().collect();
            Tensor::<3>::from_data(TensorData::new(values, [b, 1, 1]), &device)
        };
        let kept: Vec<_> = (0..branches / BRANCHES).map(|block| [branch(2 * block), branch(2 * block + 1)]).collect();
        let tokens = self.mae.encode_kept(patches, &positions, &kept); // [B, L+1, C]
        self.head.forward(tokens) // [B, K]
    }

    /// Keys and ids of all parameters, the keys as a checkpoint has them, in the model's own order.
    pub(super) fn ids(&self) -> Vec<(String, ParamId)> {
        let bare = |key: &str| ["mae.", "head."].iter().find_map(|part| key.strip_prefix(part)).map(str::to_owned);
        parameters::ids(self).into_iter().filter_map(|(key, id)| Some((bare(&key)?, id))).collect()
    }
}

impl Learner for FineTuned {
    type Batch = Batch;

    fn size(batch: &Batch) -> usize {
        batch.size
    }

    fn samples(batch: &Batch, range: Range<usize>) -> Batch {
        batch.samples(range)
    }

    fn loss(&self, batch: &Batch, device: &Device) -> Tensor<1> {
        let grid = self.mae.grid();
        let shown = TensorData::new(batch.patches.clone(), [batch.size, grid.len(), grid.patch_len()]);
        let logits = self.logits(Tensor::from_data(shown, device), &batch.kept); // [B, K]
        let targets = TensorData::new(batch.targets.clone(), logits.dims());
        soft_cross_entropy(logits, Tensor::from_data(targets, device))
    }

    fn products(&self) -> Products {
        self.mae.products()
    }
}

/// How far what the logits say is from targets that share out 1 among the classes, the mean over the samples, in nats.
///
/// # Shapes
/// - `logits`, `targets`: `[B, K]`
/// - returns `[1]`
#[must_use]
pub fn soft_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    -(targets * activation::log_softmax(logits, 1)).sum_dim(1).mean()
}
