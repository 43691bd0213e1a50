//! How each layout names a tensor.

use std::fmt;

use super::store::Store;

/// Whose names a checkpoint's tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The original MAE's, which are timm's too.
    Original,
    /// Hugging Face's `ViTMAE` and `ViT`, in the three styles that its versions have written.
    HuggingFace,
    /// Our own checkpoints'.
    Glimpse,
}

/// Names within a block: timm's, then Hugging Face's, the published style first.
const INNER: [(&str, &[&str]); 8] = [
    ("norm1", &["layernorm_before"]),
    ("norm2", &["layernorm_after"]),
    ("attn.q", &["attention.attention.query", "attention.q_proj"]),
    ("attn.k", &["attention.attention.key", "attention.k_proj"]),
    ("attn.v", &["attention.attention.value", "attention.v_proj"]),
    ("attn.proj", &["attention.output.dense", "attention.o_proj"]),
    ("mlp.fc1", &["intermediate.dense", "mlp.fc1"]),
    ("mlp.fc2", &["output.dense", "mlp.fc2"]),
];

/// Names outside the blocks; those of the encoder stand behind `vit.` in a file that has a head.
const OUTER: [(&str, &str); 5] = [
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("norm", "layernorm"),
    ("head", "classifier"),
];

impl Layout {
    /// The layout of the tensors in `store`, if it is a known one.
    #[must_use]
    pub fn of(store: &Store) -> Option<Self> {
        let has = |name: &str| store.get(name).is_some();
        if has("patch_embed.proj.weight") || has("blocks.0.attn.qkv.weight") && has("pos_embed") {
            Some(Self::Original)
        } else if store.names().any(|name| name.contains("embeddings.patch_embeddings.projection.")) {
            Some(Self::HuggingFace)
        } else {
            has("patch_embed.weight").then_some(Self::Glimpse)
        }
    }

    /// The names that the tensor may have which timm calls `key`, the published one first. Of Hugging Face's three, `attn.q`,
    /// `attn.k` and `attn.v` stand in for timm's `attn.qkv`.
    #[must_use]
    pub fn names(self, key: &str, store: &Store) -> Vec<String> {
        if self != Self::HuggingFace {
            return vec![key.to_owned()];
        }
        let vit = if store.names().any(|name| name.starts_with("vit.")) { "vit." } else { "" };
        if let Some((block, inner)) = split_block(key, "blocks.") {
            let stems = [format!("{vit}encoder.layer.{block}"), format!("{vit}layers.{block}")];
            return within(&stems, inner);
        }
        if let Some((block, inner)) = split_block(key, "decoder_blocks.") {
            let stems = ["decoder_layers", "decoder_encoder.layer"].map(|stem| format!("decoder.{stem}.{block}"));
            return within(&stems, inner);
        }
        for (timm, theirs) in OUTER {
            if let Some(rest) = key.strip_prefix(timm).filter(|rest| rest.is_empty() || rest.starts_with('.')) {
                let prefix = if timm == "head" { "" } else { vit };
                return vec![format!("{prefix}{theirs}{rest}")];
            }
        }
        // What is the decoder's alone has timm's name.
        vec![format!("decoder.{key}")]
    }
}

/// `blocks.3.attn.q.weight` as `3` and `attn.q.weight`.
fn split_block<'a>(key: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    key.strip_prefix(prefix)?.split_once('.')
}

/// Every stem with every name that `inner`, such as `attn.q.weight`, may have.
fn within(stems: &[String], inner: &str) -> Vec<String> {
    let (part, rest) = inner.rsplit_once('.').unwrap_or((inner, ""));
    let theirs = INNER.iter().find(|(timm, _)| *timm == part).map_or(&[][..], |(_, theirs)| theirs);
    stems.iter().flat_map(|stem| theirs.iter().map(move |theirs| format!("{stem}.{theirs}.{rest}"))).collect()
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Original => "the original MAE's, or timm's",
            Self::HuggingFace => "Hugging Face's",
            Self::Glimpse => "our own",
        })
    }
}
