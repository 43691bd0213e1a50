//! The whole model, one operation a line.

use glimpse_models::{ModelSpec, Transformer};
use ndarray::{Array2, ArrayView2, s};

use super::{Weights, attention, gelu, layer_norm, linear, place};
use crate::Result;

/// Visible patches and their positions to tokens, the class token first.
///
/// # Shapes
/// - `patches`: `[N, P·P·3]`, normalized
/// - `positions`: `[N]`
/// - returns `[N+1, C]`
///
/// # Errors
/// [`Error::WeightMissing`](crate::Error::WeightMissing).
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, section 3, "MAE encoder".
pub fn encoder(
    spec: &ModelSpec,
    weights: &Weights,
    patches: ArrayView2<f32>,
    positions: &[i64],
) -> Result<Array2<f32>> {
    let x = layer(weights, "patch_embed", &patches.to_owned())?; // [N, C]
    let class = weights.vector("cls_token")?;
    let mut x = place(x.view(), weights.matrix("pos_embed")?, class, positions); // [N+1, C]
    for i in 0..spec.encoder().depth {
        x = block(spec, weights, &format!("blocks.{i}"), spec.encoder(), x)?; // [N+1, C]
    }
    // Where the last norm stands in the classifier, the encoder has none.
    if weights.matrix("norm.weight").is_err() {
        return Ok(x);
    }
    norm(spec, weights, "norm", &x) // [N+1, C]
}

/// Tokens and the order of the grid to every patch.
///
/// # Shapes
/// - `tokens`: `[N+1, C]`, the class token first
/// - `restore`: `[L]`, 0 at a masked place, `i + 1` at the place of the `i`-th visible patch
/// - returns `[L, P·P·3]`
///
/// # Errors
/// [`Error::WeightMissing`](crate::Error::WeightMissing).
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, section 3, "MAE decoder".
pub fn decoder(
    spec: &ModelSpec,
    stack: Transformer,
    weights: &Weights,
    tokens: ArrayView2<f32>,
    restore: &[i64],
) -> Result<Array2<f32>> {
    let x = layer(weights, "decoder_embed", &tokens.to_owned())?; // [N+1, D]
    let mask_token = weights.vector("mask_token")?;
    let mut x = super::restore(x.view(), weights.matrix("decoder_pos_embed")?, mask_token, restore); // [L+1, D]
    for i in 0..stack.depth {
        x = block(spec, weights, &format!("decoder_blocks.{i}"), stack, x)?; // [L+1, D]
    }
    let x = norm(spec, weights, "decoder_norm", &x)?; // [L+1, D]
    layer(weights, "decoder_pred", &x.slice(s![1.., ..]).to_owned()) // [L, P·P·3]
}

/// A pre-norm transformer block, `[T, C]` to `[T, C]`.
fn block(spec: &ModelSpec, weights: &Weights, key: &str, stack: Transformer, x: Array2<f32>) -> Result<Array2<f32>> {
    let y = norm(spec, weights, &format!("{key}.norm1"), &x)?; // [T, C]
    let y = layer(weights, &format!("{key}.attn.qkv"), &y)?; // [T, 3·C]
    let y = attention(y.view(), stack.heads); // [T, C]
    let y = layer(weights, &format!("{key}.attn.proj"), &y)?; // [T, C]
    let x = x + y; // [T, C]
    let y = norm(spec, weights, &format!("{key}.norm2"), &x)?; // [T, C]
    let y = layer(weights, &format!("{key}.mlp.fc1"), &y)?; // [T, r·C]
    let y = y.mapv(gelu); // [T, r·C]
    let y = layer(weights, &format!("{key}.mlp.fc2"), &y)?; // [T, C]
    Ok(x + y)
}

fn layer(weights: &Weights, key: &str, x: &Array2<f32>) -> Result<Array2<f32>> {
    let weight = weights.matrix(&format!("{key}.weight"))?;
    let bias = weights.vector(&format!("{key}.bias"))?;
    Ok(linear(x.view(), weight, bias))
}

fn norm(spec: &ModelSpec, weights: &Weights, key: &str, x: &Array2<f32>) -> Result<Array2<f32>> {
    let weight = weights.vector(&format!("{key}.weight"))?;
    let bias = weights.vector(&format!("{key}.bias"))?;
    Ok(layer_norm(x.view(), weight, bias, spec.layer_norm_epsilon()))
}
