//! In which numbers matrix products are computed.

use burn::nn::Linear;
use burn::tensor::{FloatDType, Tensor, module};
use clap::ValueEnum;

use crate::ops;

/// The numbers that matrix products are computed in. Parameters, sums over a batch and everything between the products
/// stay in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Products {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, 5 of them for the exponent.
    F16,
    /// 16 bits, 8 of them for the exponent.
    Bf16,
}

impl Products {
    /// What the loss is multiplied by, so that gradients do not vanish in numbers of few bits.
    #[must_use]
    pub fn loss_scale(self) -> f64 {
        match self {
            Self::F32 | Self::Bf16 => 1.0,
            Self::F16 => 4096.0,
        }
    }

    /// A linear layer: `x·W + b`.
    #[must_use]
    pub fn linear(self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        let Some(short) = self.short() else {
            return match &layer.bias {
                Some(bias) => ops::linear(x, layer.weight.val(), bias.val()),
                None => layer.forward(x),
            };
        };
        let y = module::linear(x.cast(short), layer.weight.val().cast(short), None).cast(FloatDType::F32);
        match &layer.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }

    /// `a·b`, matrix by matrix.
    #[must_use]
    pub fn matmul<const D: usize>(self, a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        match self.short() {
            Some(short) => a.cast(short).matmul(b.cast(short)).cast(FloatDType::F32),
            None => a.matmul(b),
        }
    }

    /// A tensor in the numbers that it is multiplied in.
    #[must_use]
    pub fn narrowed<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self.short() {
            Some(short) => x.cast(short),
            None => x,
        }
    }

    fn short(self) -> Option<FloatDType> {
        match self {
            Self::F32 => None,
            Self::F16 => Some(FloatDType::F16),
            Self::Bf16 => Some(FloatDType::BF16),
        }
    }
}
