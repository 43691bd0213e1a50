//! The masked autoencoder: an encoder of what is visible, and a light decoder that paints in the rest.

use anyhow::Context;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData, s};
use glimpse_models::{ModelSpec, NormPlace, PatchGrid};

use super::block::Block;
use super::layer_norm::LayerNorm;
use super::parameters;
use super::positions::Positions;
use super::products::Products;
use crate::weights::{Weight, Weights};

/// A masked autoencoder. The names of its fields are the keys of a checkpoint.
///
/// The decoder does not need its tokens in the order of the grid, since attention knows no order and each token
/// carries its position: in training it reads the visible tokens first and the mask tokens after them.
#[derive(Module, Debug)]
pub struct Mae {
    patch_embed: Linear,
    cls_token: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: Option<LayerNorm>,
    decoder_embed: Linear,
    mask_token: Param<Tensor<2>>,
    decoder_blocks: Vec<Block>,
    decoder_norm: LayerNorm,
    decoder_pred: Linear,
    #[module(skip)]
    spec: SkippedSpec,
}

/// What the forward pass needs beside the parameters: the positions of both halves.
#[derive(Debug, Clone)]
pub struct SkippedSpec {
    grid: PatchGrid,
    products: Products,
    encoder_positions: Positions,
    decoder_positions: Positions,
}

impl Mae {
    /// A model with the given weights, the last norm at the end of its encoder.
    ///
    /// # Errors
    /// When the spec has no decoder, or a tensor is missing, surplus or of another shape: all of them are named.
    pub fn from_weights(spec: &ModelSpec, weights: &Weights, device: &Device) -> anyhow::Result<Self> {
        Self::taking(spec, NormPlace::Encoder, weights.clone(), device)
    }

    /// A model that the weights are moved into. `pos_embed` and `decoder_pos_embed` among them stand in for the sine-cosine
    /// tables, and are not trained; a model whose norm stands in its classifier has no `norm`.
    ///
    /// # Errors
    /// As [`Mae::from_weights`].
    pub fn taking(spec: &ModelSpec, norm: NormPlace, mut weights: Weights, device: &Device) -> anyhow::Result<Self> {
        let mut model = Self::blank(spec, device)?;
        for (key, positions) in model.spec.tables() {
            if weights.contains(key) {
                *positions = Positions::stored(key, positions, weights.take(key)?)?;
            }
        }
        if norm == NormPlace::Classifier {
            model.norm = None;
        }
        parameters::load(model, weights)
    }

    /// The model, computing its matrix products in these numbers.
    #[must_use]
    pub fn with_products(mut self, products: Products) -> Self {
        self.spec.products = products;
        self
    }

    /// The numbers that its matrix products are computed in.
    #[must_use]
    pub fn products(&self) -> Products {
        self.spec.products
    }

    /// The model's parameters on the CPU, by key.
    ///
    /// # Errors
    /// When a tensor cannot be read back from the device.
    pub fn to_weights(&self) -> anyhow::Result<Weights> {
        let mut weights = parameters::read(self)?;
        for (key, positions) in self.spec.clone().tables() {
            if let Some(Weight { shape, values }) = positions.to_weight() {
                weights.insert(key, shape, values);
            }
        }
        Ok(weights)
    }

    pub(super) fn blank(spec: &ModelSpec, device: &Device) -> anyhow::Result<Self> {
        let encoder = spec.encoder();
        let decoder = spec
            .decoder()
            .context("the spec has no decoder: an encoder alone can be emitted, not run or trained here")?;
        let (c, d) = (encoder.width, decoder.width);
        let grid = spec.grid();
        let norm = |width| LayerNorm::init(width, spec.layer_norm_epsilon(), device);
        let blocks = |width, depth, heads| {
            (0..depth).map(|_| Block::init(width, heads, spec.mlp_ratio(), spec.layer_norm_epsilon(), device)).collect()
        };
        Ok(Self {
            patch_embed: LinearConfig::new(grid.patch_len(), c).init(device),
            cls_token: Param::from_tensor(Tensor::zeros([1, c], device)),
            blocks: blocks(c, encoder.depth, encoder.heads),
            norm: Some(norm(c)),
            decoder_embed: LinearConfig::new(c, d).init(device),
            mask_token: Param::from_tensor(Tensor::zeros([1, d], device)),
            decoder_blocks: blocks(d, decoder.depth, decoder.heads),
            decoder_norm: norm(d),
            decoder_pred: LinearConfig::new(d, grid.patch_len()).init(device),
            spec: SkippedSpec {
                encoder_positions: Positions::fixed(&grid, c),
                decoder_positions: Positions::fixed(&grid, d),
                grid,
                products: Products::F32,
            },
        })
    }

    /// Encodes the visible patches.
    ///
    /// # Shapes
    /// - `patches`: `[B, N, P·P·3]`, normalized
    /// - `positions`: `B·N` patch indices in the same order
    /// - returns `[B, N+1, C]`, the class token first
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, section 3.
    #[must_use]
    pub fn encode(&self, patches: Tensor<3>, positions: &[i64]) -> Tensor<3> {
        self.encode_kept(patches, positions, &[])
    }

    /// The same under stochastic depth: `kept` has, for each block, what its two branches are multiplied by; none for all
    /// ones.
    ///
    /// # Shapes
    /// - `patches`: `[B, N, P·P·3]`, normalized
    /// - `positions`: `B·N` patch indices in the same order
    /// - `kept`: `[B, 1, 1]` for each branch
    /// - returns `[B, N+1, C]`, the class token first
    ///
    /// # Source
    /// Huang et al. 2016, arXiv:1603.09382, section 3.
    #[must_use]
    pub fn encode_kept(&self, patches: Tensor<3>, positions: &[i64], kept: &[[Tensor<3>; 2]]) -> Tensor<3> {
        let [b, n, _] = patches.dims();
        let products = self.spec.products;
        let x = products.linear(&self.patch_embed, patches); // [B, N, C]
        let [.., c] = x.dims();
        let x = x + rows(self.spec.encoder_positions.table(), c, positions, [b, n], &self.device());
        let class = self.cls_token.val().unsqueeze::<3>().expand([b, 1, c]);
        let mut x = Tensor::cat(vec![class, x], 1); // [B, N+1, C]
        for (index, block) in self.blocks.iter().enumerate() {
            x = match kept.get(index) {
                Some(kept) => block.forward_kept(x, products, kept.clone()),
                None => block.forward(x, products),
            };
        }
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    /// Predicts the hidden patches from the encoder's tokens.
    ///
    /// # Shapes
    /// - `tokens`: `[B, N+1, C]`
    /// - `positions`: `B·N` indices of the visible patches
    /// - `hidden`: `B·M` indices of the patches to predict
    /// - returns `[B, M, P·P·3]`, in the order of `hidden`
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, section 3.
    #[must_use]
    pub fn predict(&self, tokens: Tensor<3>, positions: &[i64], hidden: &[i64]) -> Tensor<3> {
        let [b, t, _] = tokens.dims();
        let (n, m) = (t - 1, hidden.len() / b);
        let x = self.decode(tokens, positions, hidden); // [B, N+1+M, D]
        self.spec.products.linear(&self.decoder_pred, x.slice(s![.., n + 1..n + 1 + m, ..]))
    }

    /// The decoder up to its last norm; the output follows the order class token, visible patches, hidden patches.
    fn decode(&self, tokens: Tensor<3>, positions: &[i64], hidden: &[i64]) -> Tensor<3> {
        let [b, t, _] = tokens.dims();
        let (n, m) = (t - 1, hidden.len() / b);
        let device = self.device();
        let products = self.spec.products;
        let x = products.linear(&self.decoder_embed, tokens); // [B, N+1, D]
        let [.., d] = x.dims();
        let table = self.spec.decoder_positions.table();
        let class = x.clone().slice(s![.., 0..1, ..]);
        let mut parts = vec![class, x.slice(s![.., 1.., ..]) + rows(table, d, positions, [b, n], &device)];
        if m > 0 {
            let mask = self.mask_token.val().unsqueeze::<3>().expand([b, m, d]);
            parts.push(mask + rows(table, d, hidden, [b, m], &device));
        }
        let mut x = Tensor::cat(parts, 1); // [B, N+1+M, D]
        for block in &self.decoder_blocks {
            x = block.forward(x, products);
        }
        self.decoder_norm.forward(x)
    }

    /// Paints every patch of one picture, visible ones too, in the order of the grid.
    ///
    /// # Shapes
    /// - `tokens`: `[1, N+1, C]`
    /// - `restore`: `[L]`, 0 for a hidden patch, i+1 for the i-th visible one
    /// - returns `[L, P·P·3]`
    #[must_use]
    pub fn paint(&self, tokens: Tensor<3>, restore: &[i64]) -> Tensor<2> {
        let n = tokens.dims()[1] - 1;
        let place = |index: usize| index as i64;
        let mut positions = vec![0; n];
        let mut hidden = Vec::new();
        let mut order = Vec::with_capacity(restore.len());
        for (index, &source) in restore.iter().enumerate() {
            if source == 0 {
                order.push(place(1 + n + hidden.len()));
                hidden.push(place(index));
            } else {
                order.push(source);
                positions[source as usize - 1] = place(index);
            }
        }
        let x = self.decode(tokens, &positions, &hidden); // [1, N+1+M, D]
        let order = Tensor::<1, Int>::from_data(TensorData::from(order.as_slice()), &self.device());
        let painted = self.spec.products.linear(&self.decoder_pred, x.select(1, order)); // [1, L, P·P·3]
        painted.squeeze_dim(0)
    }

    /// The grid of patches that the model reads.
    #[must_use]
    pub fn grid(&self) -> PatchGrid {
        self.spec.grid
    }

    pub(super) fn device(&self) -> Device {
        self.cls_token.val().device()
    }
}

impl SkippedSpec {
    /// Both tables, under the keys that stored ones have.
    fn tables(&mut self) -> [(&'static str, &mut Positions); 2] {
        [("pos_embed", &mut self.encoder_positions), ("decoder_pos_embed", &mut self.decoder_positions)]
    }
}

/// Rows of a `[L, width]` table, one for each index: fixed numbers, gathered on the CPU so that no gradient is kept.
///
/// # Shapes
/// - `indices`: `B·N`
/// - returns `[B, N, width]`
fn rows(table: &[f32], width: usize, indices: &[i64], [b, n]: [usize; 2], device: &Device) -> Tensor<3> {
    let mut values = Vec::with_capacity(indices.len() * width);
    for &index in indices {
        let start = index as usize * width;
        values.extend_from_slice(&table[start..start + width]);
    }
    Tensor::from_data(TensorData::new(values, [b, n, width]), device)
}
