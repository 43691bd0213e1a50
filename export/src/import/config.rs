//! What lies beside public weights: the numbers that no tensor's shape tells.

use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `config.json`, as Hugging Face or timm write it, and `preprocessor_config.json`: as far as an import asks.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Config {
    /// The architecture, by Hugging Face's name.
    pub model_type: Option<String>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    decoder_num_hidden_layers: Option<usize>,
    decoder_num_attention_heads: Option<usize>,
    layer_norm_eps: Option<f64>,
    norm_pix_loss: Option<bool>,
    hidden_act: Option<String>,
    id2label: Option<BTreeMap<String, String>>,
    /// timm's table of what the weights were trained with.
    pretrained_cfg: Option<Pretrained>,
    #[serde(skip)]
    preprocessor: Preprocessor,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Pretrained {
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    license: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Preprocessor {
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
}

impl Config {
    /// Reads what lies in `folder`; `None` if there is no `config.json`.
    ///
    /// # Errors
    /// Names the file that cannot be read, and what in it no bundle can hold.
    pub fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let Some(mut config) = read_json::<Self>(&folder.join("config.json"))? else { return Ok(None) };
        config.preprocessor = read_json(&folder.join("preprocessor_config.json"))?.unwrap_or_default();
        if let Some(act) = &config.hidden_act {
            ensure!(act == "gelu", "config.json has `hidden_act` = {act:?}: a bundle's blocks compute \"gelu\"");
        }
        Ok(Some(config))
    }

    /// Blocks of the encoder and of the decoder.
    #[must_use]
    pub const fn depths(&self) -> [Option<usize>; 2] {
        [self.num_hidden_layers, self.decoder_num_hidden_layers]
    }

    /// Heads of the encoder and of the decoder.
    #[must_use]
    pub const fn heads(&self) -> [Option<usize>; 2] {
        [self.num_attention_heads, self.decoder_num_attention_heads]
    }

    /// What Hugging Face's layer norms add to the variance.
    #[must_use]
    pub const fn layer_norm_epsilon(&self) -> Option<f64> {
        self.layer_norm_eps
    }

    /// Whether the decoder was trained on normalized patches.
    #[must_use]
    pub const fn norm_pix(&self) -> Option<bool> {
        self.norm_pix_loss
    }

    /// The mean and standard deviation of the pixels, if both are given.
    #[must_use]
    pub fn pixels(&self) -> Option<([f32; 3], [f32; 3])> {
        let timm = self.pretrained_cfg.as_ref();
        let mean = self.preprocessor.image_mean.or(timm.and_then(|timm| timm.mean));
        mean.zip(self.preprocessor.image_std.or(timm.and_then(|timm| timm.std)))
    }

    /// The weights' licence.
    #[must_use]
    pub fn licence(&self) -> Option<&str> {
        self.pretrained_cfg.as_ref()?.license.as_deref()
    }

    /// Names of the `classes`, if each of them has one of its own.
    #[must_use]
    pub fn class_names(&self, classes: usize) -> Option<Vec<String>> {
        let names = self.id2label.as_ref()?;
        let named = |index: usize| {
            // What is written where nobody named the classes says nothing.
            let name = names.get(&index.to_string()).filter(|name| **name != format!("LABEL_{index}"))?;
            Some(name.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty())
        };
        (0..classes).map(named).collect()
    }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).map(Some).with_context(|| format!("reading {}", path.display()))
}
