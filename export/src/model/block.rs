//! One pre-norm transformer block.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation, s};

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
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, t, c] = x.dims();
        let (h, d) = (self.heads, c / self.heads);
        let qkv = self.qkv.forward(x).reshape([b, t, 3, h, d]).permute([2, 0, 3, 1, 4]); // [3, B, h, T, d]
        let part = |i: usize| qkv.clone().slice(s![i..=i]).reshape([b, h, t, d]);
        let (q, k, v) = (part(0), part(1), part(2)); // [B, h, T, d]
        let scale = (d as f64).powf(-0.5);
        let scores = (q * scale).matmul(k.swap_dims(2, 3)); // [B, h, T, T]
        let mixed = activation::softmax(scores, 3).matmul(v); // [B, h, T, d]
        let joined = mixed.swap_dims(1, 2).reshape([b, t, c]); // [B, T, C]
        self.proj.forward(joined)
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
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(activation::gelu(self.fc1.forward(x)))
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
        let norm = || LayerNormConfig::new(width).with_epsilon(epsilon).init(device);
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
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attn.forward(self.norm1.forward(x));
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }
}
