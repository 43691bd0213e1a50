//! A learning rate for each layer: the nearer to the pixels, the lower.

use anyhow::ensure;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::module::ParamGroup;

use super::model::FineTuned;

/// The parameters of each layer, and what part of the learning rate they take.
pub struct LayerDecay {
    layers: Vec<(ParamGroup, f64)>,
}

impl LayerDecay {
    /// Each layer takes `decay` of the rate of the one behind it; the classifier takes all of it.
    ///
    /// # Errors
    /// When `decay` is no part above 0 and at most 1.
    ///
    /// # Source
    /// Clark et al. 2020, arXiv:2003.10555, table 7 (layer-wise decay); Bao et al. 2021, arXiv:2106.08254, appendix (for
    /// vision transformers).
    pub fn new(model: &FineTuned, depth: usize, decay: f64) -> anyhow::Result<Self> {
        ensure!(
            decay > 0.0 && decay <= 1.0,
            "--layer-decay {decay} is no part of a learning rate: give a number above 0 and at most 1, such as 0.65"
        );
        let ids = model.ids();
        let layers = (0..=depth + 1)
            .map(|layer| {
                let own = ids.iter().filter(|(key, _)| layer_of(key, depth) == layer);
                (ParamGroup::from_ids(own.map(|(_, id)| *id).collect()), scale(layer, depth, decay))
            })
            .collect();
        Ok(Self { layers })
    }

    /// The learning rates of a step whose classifier learns at `rate`.
    #[must_use]
    pub fn rates(&self, rate: f64) -> ModuleLearningRate {
        let all = ModuleLrScheduler::new(rate);
        self.layers.iter().fold(all, |rates, (group, scale)| rates.with_group(group.clone(), rate * scale)).step()
    }
}

/// The layer that the parameter of a checkpoint's key belongs to: 0 embeds patches, 1 to `depth` are the blocks, and what
/// stands behind them is one more.
fn layer_of(key: &str, depth: usize) -> usize {
    if key.starts_with("patch_embed.") || key == "cls_token" {
        return 0;
    }
    let block =
        key.strip_prefix("blocks.").and_then(|rest| rest.split('.').next()).and_then(|index| index.parse().ok());
    block.map_or(depth + 1, |index: usize| index + 1)
}

/// The part of the learning rate that a layer takes.
fn scale(layer: usize, depth: usize, decay: f64) -> f64 {
    decay.powi((depth + 1 - layer) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_counted_from_the_pixels() {
        let layer = |key| layer_of(key, 12);
        assert_eq!((layer("patch_embed.weight"), layer("cls_token")), (0, 0));
        assert_eq!((layer("blocks.0.attn.qkv.bias"), layer("blocks.11.norm2.weight")), (1, 12));
        assert_eq!((layer("fc_norm.weight"), layer("head.bias"), layer("norm.weight")), (13, 13, 13));
    }

    #[test]
    fn each_layer_takes_a_part_of_the_next_one_s_rate() {
        assert_eq!((scale(13, 12, 0.65), scale(12, 12, 0.65)), (1.0, 0.65));
        assert!((scale(0, 12, 0.75) - 0.75f64.powi(13)).abs() < 1e-15);
        assert_eq!(scale(0, 12, 1.0), 1.0);
    }
}
