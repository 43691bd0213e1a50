//! One pre-norm transformer block.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::layer_norm::LayerNorm;
use super::products::Products;
use crate::ops;

/// Multi-head self-attention.
#[derive(Module, Debug)]
pub struct Attention {
    qkv: Linear,
    proj: Linear,
    heads: usize,
}

impl Attention {
    fn init(width: usize, heads: usize, device: &Device) -> Self {
        Self {
            qkv: LinearConfig::new(width, 3 * width).init(device),
            proj: LinearConfig::new(width, width).init(device),
            heads,
        }
    }

    /// # Shapes
    /// - `x`: `[B, T, C]`
    /// - returns `[B, T, C]`
    pub fn forward(&self, x: Tensor<3>, products: Products) -> Tensor<3> {
        let qkv = products.linear(&self.qkv, x); // [B, T, 3·C]
        products.linear(&self.proj, ops::attention(qkv, self.heads, products))
    }
}

/// The two-layer perceptron of a block, with the erf form of GELU.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    fn init(width: usize, hidden: usize, device: &Device) -> Self {
        Self { fc1: LinearConfig::new(width, hidden).init(device), fc2: LinearConfig::new(hidden, width).init(device) }
    }

    /// # Shapes
    /// - `x`: `[B, T, C]`
    /// - returns `[B, T, C]`
    pub fn forward(&self, x: Tensor<3>, products: Products) -> Tensor<3> {
        products.linear(&self.fc2, ops::gelu(products.linear(&self.fc1, x)))
    }
}

/// Attention and perceptron, each behind its layer norm and beside a residual.
#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    pub(super) fn init(width: usize, heads: usize, mlp_ratio: usize, epsilon: f64, device: &Device) -> Self {
        let norm = || LayerNorm::init(width, epsilon, device);
        Self {
            norm1: norm(),
            attn: Attention::init(width, heads, device),
            norm2: norm(),
            mlp: Mlp::init(width, mlp_ratio * width, device),
        }
    }

    /// # Shapes
    /// - `x`: `[B, T, C]`
    /// - returns `[B, T, C]`
    ///
    /// # Source
    /// Dosovitskiy et al. 2020, arXiv:2010.11929, equations 2 and 3.
    pub fn forward(&self, x: Tensor<3>, products: Products) -> Tensor<3> {
        let x = x.clone() + self.attn.forward(self.norm1.forward(x), products);
        x.clone() + self.mlp.forward(self.norm2.forward(x), products)
    }

    /// The same with what each branch adds to a sample times a number of that sample's: stochastic depth.
    ///
    /// # Shapes
    /// - `x`: `[B, T, C]`
    /// - `kept`: `[B, 1, 1]` of the attention, and of the perceptron
    /// - returns `[B, T, C]`
    ///
    /// # Source
    /// Huang et al. 2016, arXiv:1603.09382, section 3.
    pub fn forward_kept(&self, x: Tensor<3>, products: Products, kept: [Tensor<3>; 2]) -> Tensor<3> {
        let [attended, transformed] = kept;
        let x = x.clone() + self.attn.forward(self.norm1.forward(x), products) * attended;
        x.clone() + self.mlp.forward(self.norm2.forward(x), products) * transformed
    }
}
