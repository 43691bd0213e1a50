//! The options that say how large a model is.

use clap::{Args as ClapArgs, ValueEnum};
use glimpse_export::model::Preset;
use glimpse_models::{Base, Family, ModelSpec, RawSpec, Transformer};

/// Mean of `ImageNet`'s pixels, by channel, on the unit scale.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Deviation of `ImageNet`'s pixels, by channel.
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Hidden width of a block's perceptron, in widths.
const MLP_RATIO: usize = 4;
/// The paper's epsilon in every layer norm.
const LAYER_NORM_EPSILON: f64 = 1e-6;

/// [`Base`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BaseArg {
    Zero,
    Membrane,
}

/// Sizes of a model.
#[derive(Debug, ClapArgs)]
pub struct SizeArgs {
    /// Sizes of the model; each can be changed below.
    #[arg(long, value_enum, default_value = "tiny")]
    preset: Preset,
    /// Side of the square picture, in pixels.
    #[arg(long)]
    image_side: Option<usize>,
    /// Side of a patch, in pixels.
    #[arg(long)]
    patch_side: Option<usize>,
    /// Width of the encoder.
    #[arg(long)]
    width: Option<usize>,
    /// Blocks of the encoder.
    #[arg(long)]
    depth: Option<usize>,
    /// Attention heads of the encoder.
    #[arg(long)]
    heads: Option<usize>,
    /// Width of the decoder.
    #[arg(long)]
    decoder_width: Option<usize>,
    /// Blocks of the decoder.
    #[arg(long)]
    decoder_depth: Option<usize>,
    /// Attention heads of the decoder.
    #[arg(long)]
    decoder_heads: Option<usize>,
    /// Predict patches normalized one by one: better features, but such a model cannot paint.
    #[arg(long)]
    norm_pix: bool,
    /// What the decoder's answer is added to: zero, as in the paper, or the membrane through the visible patches. A small
    /// model that starts from weights trained on zero paints better on a membrane.
    #[arg(long, value_enum, default_value = "zero", conflicts_with = "norm_pix")]
    base: BaseArg,
}

impl SizeArgs {
    /// Those of a preset, all of them.
    #[must_use]
    pub const fn of(preset: Preset) -> Self {
        Self {
            preset,
            image_side: None,
            patch_side: None,
            width: None,
            depth: None,
            heads: None,
            decoder_width: None,
            decoder_depth: None,
            decoder_heads: None,
            norm_pix: false,
            base: BaseArg::Zero,
        }
    }

    /// The spec that they make.
    ///
    /// # Errors
    /// When a size is out of range or does not fit another.
    pub fn spec(&self) -> anyhow::Result<ModelSpec> {
        let sizes = self.preset.sizes();
        let [width, depth, heads] = sizes.encoder;
        let [decoder_width, decoder_depth, decoder_heads] = sizes.decoder;
        Ok(ModelSpec::new(RawSpec {
            family: Family::Mae,
            image_side: self.image_side.unwrap_or(sizes.image_side),
            patch_side: self.patch_side.unwrap_or(sizes.patch_side),
            encoder: Transformer {
                width: self.width.unwrap_or(width),
                depth: self.depth.unwrap_or(depth),
                heads: self.heads.unwrap_or(heads),
            },
            decoder: Some(Transformer {
                width: self.decoder_width.unwrap_or(decoder_width),
                depth: self.decoder_depth.unwrap_or(decoder_depth),
                heads: self.decoder_heads.unwrap_or(decoder_heads),
            }),
            mlp_ratio: MLP_RATIO,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
            norm_pix: self.norm_pix,
            base: match self.base {
                BaseArg::Zero => Base::Zero,
                BaseArg::Membrane => Base::Membrane,
            },
            layer_norm_epsilon: LAYER_NORM_EPSILON,
        })?)
    }
}
