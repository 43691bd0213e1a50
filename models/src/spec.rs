//! The numbers that say what a model is.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{Error, MAX_FILE_BYTES, Part, PatchGrid};

/// The architecture that a model's graphs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// The masked autoencoder of He et al. 2021, arXiv:2111.06377.
    Mae,
}

/// What the decoder's answer is added to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Base {
    /// Nothing: the decoder's answer is the patches, as in the paper.
    #[default]
    Zero,
    /// The membrane through the visible patches, which solves Laplace's equation in the masked ones: the decoder says what
    /// differs from it.
    Membrane,
}

impl Base {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_zero(&self) -> bool {
        *self == Self::Zero
    }
}

/// The size of one stack of transformer blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformer {
    /// `C`: values in a token.
    pub width: usize,
    /// Blocks, one after the other.
    pub depth: usize,
    /// Attention heads; they share the width evenly.
    pub heads: usize,
}

/// A [`ModelSpec`] that nobody has checked yet: the `[spec]` table of a manifest, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSpec {
    /// The architecture.
    pub family: Family,
    /// Side of the square picture that the model sees, in pixels.
    pub image_side: usize,
    /// `P`: side of a patch, in pixels.
    pub patch_side: usize,
    /// The stack that reads visible patches.
    pub encoder: Transformer,
    /// The stack that paints; a model for features alone has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Transformer>,
    /// Width of a block's hidden layer over the width of its tokens.
    pub mlp_ratio: usize,
    /// What is taken off each channel (red, green, blue; values of 0 to 1).
    pub mean: [f32; 3],
    /// What each channel is then divided by.
    pub std: [f32; 3],
    /// Whether the decoder predicts patches normalized by their own mean and variance.
    pub norm_pix: bool,
    /// What the decoder's answer is added to.
    #[serde(default, skip_serializing_if = "Base::is_zero")]
    pub base: Base,
    /// What every layer norm adds to the variance.
    pub layer_norm_epsilon: f64,
}

/// What a model is: its architecture, sizes and pixel normalization.
///
/// A spec that exists is in range in every field, its patch side divides its image side, its heads divide their width,
/// and its weights in f32 fit a file of [`MAX_FILE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawSpec", into = "RawSpec")]
pub struct ModelSpec(RawSpec);

const IMAGE_SIDE_PX: RangeInclusive<usize> = 1..=4096;
const PATCH_SIDE_PX: RangeInclusive<usize> = 1..=256;
const PATCHES_A_SIDE: RangeInclusive<usize> = 1..=256;
const WIDTH: RangeInclusive<usize> = 4..=8192;
const DEPTH: RangeInclusive<usize> = 1..=256;
const MLP_RATIO: RangeInclusive<usize> = 1..=16;
const MEAN: RangeInclusive<f32> = 0.0..=1.0;
const STD: RangeInclusive<f32> = 1e-3..=10.0;
const EPSILON: RangeInclusive<f64> = 1e-16..=1e-2;

impl ModelSpec {
    /// Checks every field of `raw`.
    ///
    /// # Errors
    /// [`Error::SpecField`] names the first field that is out of range, its value and what is allowed.
    pub fn new(raw: RawSpec) -> Result<Self, Error> {
        in_range("spec.image_side", raw.image_side, &IMAGE_SIDE_PX)?;
        in_range("spec.patch_side", raw.patch_side, &PATCH_SIDE_PX)?;
        let patches_a_side = raw.image_side / raw.patch_side;
        if !raw.image_side.is_multiple_of(raw.patch_side) || !PATCHES_A_SIDE.contains(&patches_a_side) {
            let allowed = format!(
                "a divisor of the image side {} that leaves at most {} patches a side",
                raw.image_side,
                PATCHES_A_SIDE.end()
            );
            return Err(refused("spec.patch_side", raw.patch_side, allowed));
        }
        check_transformer(&raw.encoder, ["spec.encoder.width", "spec.encoder.depth", "spec.encoder.heads"])?;
        if let Some(decoder) = &raw.decoder {
            check_transformer(decoder, ["spec.decoder.width", "spec.decoder.depth", "spec.decoder.heads"])?;
        }
        in_range("spec.mlp_ratio", raw.mlp_ratio, &MLP_RATIO)?;
        for mean in raw.mean {
            in_range("spec.mean", mean, &MEAN)?;
        }
        for std in raw.std {
            in_range("spec.std", std, &STD)?;
        }
        if raw.norm_pix && raw.base != Base::Zero {
            let allowed = "zero, as normalized patches are added to nothing".to_owned();
            return Err(refused("spec.base", "membrane", allowed));
        }
        in_range("spec.layer_norm_epsilon", raw.layer_norm_epsilon, &EPSILON)?;
        let spec = Self(raw);
        spec.check_size()?;
        Ok(spec)
    }

    /// The architecture.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.0.family
    }

    /// Side of the square picture that the model sees, in pixels.
    #[must_use]
    pub const fn image_side(&self) -> usize {
        self.0.image_side
    }

    /// `P`: side of a patch, in pixels.
    #[must_use]
    pub const fn patch_side(&self) -> usize {
        self.0.patch_side
    }

    /// The stack that reads visible patches.
    #[must_use]
    pub const fn encoder(&self) -> Transformer {
        self.0.encoder
    }

    /// The stack that paints; `None` in a model for features alone.
    #[must_use]
    pub const fn decoder(&self) -> Option<Transformer> {
        self.0.decoder
    }

    /// Width of a block's hidden layer over the width of its tokens.
    #[must_use]
    pub const fn mlp_ratio(&self) -> usize {
        self.0.mlp_ratio
    }

    /// What is taken off each channel (red, green, blue; values of 0 to 1).
    #[must_use]
    pub const fn mean(&self) -> [f32; 3] {
        self.0.mean
    }

    /// What each channel is then divided by.
    #[must_use]
    pub const fn std(&self) -> [f32; 3] {
        self.0.std
    }

    /// Whether the decoder predicts patches normalized by their own mean and variance: such a model cannot paint.
    #[must_use]
    pub const fn norm_pix(&self) -> bool {
        self.0.norm_pix
    }

    /// What the decoder's answer is added to.
    #[must_use]
    pub const fn base(&self) -> Base {
        self.0.base
    }

    /// What every layer norm adds to the variance.
    #[must_use]
    pub const fn layer_norm_epsilon(&self) -> f64 {
        self.0.layer_norm_epsilon
    }

    /// The cutting of the model's picture into patches.
    #[must_use]
    pub const fn grid(&self) -> PatchGrid {
        PatchGrid::square(self.0.image_side, self.0.patch_side)
    }

    /// How many learned numbers the encoder has, or the decoder; fixed position tables are not counted.
    ///
    /// A missing decoder has 0.
    #[must_use]
    pub const fn parameters(&self, part: Part) -> u64 {
        let patch_len = self.grid().patch_len() as u64;
        let ratio = self.0.mlp_ratio as u64;
        match (part, self.0.decoder) {
            (Part::Encoder, _) => {
                let stack = self.0.encoder;
                // The patch embedding and the class token.
                blocks(stack, ratio) + stack.width as u64 * (patch_len + 2)
            }
            (Part::Decoder, Some(stack)) => {
                let width = stack.width as u64;
                // The embedding of the encoder's tokens, the mask token and the prediction of pixels.
                blocks(stack, ratio) + width * (self.0.encoder.width as u64 + 2) + (width + 1) * patch_len
            }
            (Part::Decoder, None) => 0,
        }
    }

    fn check_size(&self) -> Result<(), Error> {
        for (part, field) in [(Part::Encoder, "spec.encoder"), (Part::Decoder, "spec.decoder")] {
            let bytes = self.parameters(part) * 4;
            if bytes > MAX_FILE_BYTES {
                let allowed = format!("a stack whose f32 weights take at most {MAX_FILE_BYTES} bytes");
                return Err(refused(field, format!("{bytes} bytes of weights"), allowed));
            }
        }
        Ok(())
    }
}

impl TryFrom<RawSpec> for ModelSpec {
    type Error = Error;

    fn try_from(raw: RawSpec) -> Result<Self, Error> {
        Self::new(raw)
    }
}

impl From<ModelSpec> for RawSpec {
    fn from(spec: ModelSpec) -> Self {
        spec.0
    }
}

/// Learned numbers of a stack of blocks and the layer norm after it.
const fn blocks(stack: Transformer, mlp_ratio: u64) -> u64 {
    let c = stack.width as u64;
    let attention = 4 * c * c + 4 * c; // q, k, v and the projection, with biases
    let mlp = 2 * mlp_ratio * c * c + mlp_ratio * c + c;
    let norms = 4 * c;
    stack.depth as u64 * (attention + mlp + norms) + 2 * c
}

fn check_transformer(stack: &Transformer, [width, depth, heads]: [&'static str; 3]) -> Result<(), Error> {
    in_range(width, stack.width, &WIDTH)?;
    if !stack.width.is_multiple_of(4) {
        return Err(refused(
            width,
            stack.width,
            "a multiple of 4, as sin-cos positions in two dimensions need".to_owned(),
        ));
    }
    in_range(depth, stack.depth, &DEPTH)?;
    if stack.heads == 0 || !stack.width.is_multiple_of(stack.heads) {
        return Err(refused(heads, stack.heads, format!("a divisor of the width {}", stack.width)));
    }
    Ok(())
}

fn in_range<T: PartialOrd + Display>(field: &'static str, value: T, range: &RangeInclusive<T>) -> Result<(), Error> {
    // A NaN is in no range.
    if range.contains(&value) {
        Ok(())
    } else {
        Err(refused(field, value, format!("{} to {}", range.start(), range.end())))
    }
}

fn refused(field: &'static str, value: impl Display, allowed: String) -> Error {
    Error::SpecField { field, value: value.to_string(), allowed }
}

#[cfg(test)]
pub(crate) mod strategy;
#[cfg(test)]
mod tests;
