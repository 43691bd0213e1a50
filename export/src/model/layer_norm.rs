//! Layer norm with the field's names for its parameters.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::ops;

/// Layer norm over the width of a token.
#[derive(Module, Debug)]
pub struct LayerNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    pub(super) fn init(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([width], device)),
            bias: Param::from_tensor(Tensor::zeros([width], device)),
            epsilon,
        }
    }

    /// # Shapes
    /// - `x`: `[B, T, C]`
    /// - returns `[B, T, C]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        ops::layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }
}
