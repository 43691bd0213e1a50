//! Sizes of models by name.

use clap::ValueEnum;

/// A size of model; each of its numbers can be given another value on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// For a Raspberry Pi: 192×8, 128 px.
    Tiny,
    /// 384×12, decoder 256×4, 224 px.
    Small,
    /// ViT-Base of the paper.
    Base,
    /// ViT-Large of the paper.
    Large,
    /// ViT-Huge of the paper.
    Huge,
}

/// What a preset stands for. Widths, depths and heads of base, large and huge are those of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Side of the square picture, in pixels.
    pub image_side: usize,
    /// Side of a patch, in pixels.
    pub patch_side: usize,
    /// Width, depth and heads of the encoder.
    pub encoder: [usize; 3],
    /// Width, depth and heads of the decoder.
    pub decoder: [usize; 3],
}

impl Preset {
    /// The sizes that the name stands for.
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, section 4 and table 1; Dosovitskiy et al. 2020, arXiv:2010.11929, table 1.
    #[must_use]
    pub fn sizes(self) -> Sizes {
        let paper = |patch_side, encoder| Sizes { image_side: 224, patch_side, encoder, decoder: [512, 8, 16] };
        match self {
            Self::Tiny => Sizes { image_side: 128, patch_side: 16, encoder: [192, 8, 3], decoder: [128, 2, 4] },
            Self::Small => Sizes { image_side: 224, patch_side: 16, encoder: [384, 12, 6], decoder: [256, 4, 8] },
            Self::Base => paper(16, [768, 12, 12]),
            Self::Large => paper(16, [1024, 24, 16]),
            Self::Huge => paper(14, [1280, 32, 16]),
        }
    }
}
