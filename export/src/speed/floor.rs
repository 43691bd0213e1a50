//! What training cannot go below: its matrix products, at the pace of a large one.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use glimpse_models::{ModelSpec, Transformer};

use crate::model::Products;

/// Side of the square matrices that a device's pace is measured with.
const SIDE: usize = 1536;
/// … a GPU's, which a smaller one does not fill; and how many are computed before one number is waited for.
const GPU_SIDE: usize = 4096;
const GPU_TURN: usize = 10;
const REPEATS: usize = 7;
/// Matrix products of the backward pass for each of the forward pass: one for the input, one for the weights.
const PASSES: f64 = 3.0;

/// Floating-point operations of the matrix products of one sample, forward and backward.
#[must_use]
pub fn training_flops(spec: &ModelSpec, hidden: usize) -> f64 {
    let grid = spec.grid();
    let (visible, patch_len) = (grid.len() - hidden, grid.patch_len());
    let encoder = spec.encoder();
    let mut macs = visible * patch_len * encoder.width + stack(encoder, spec.mlp_ratio(), visible + 1);
    if let Some(decoder) = spec.decoder() {
        macs += (visible + 1) * encoder.width * decoder.width
            + stack(decoder, spec.mlp_ratio(), grid.len() + 1)
            + hidden * decoder.width * patch_len;
    }
    2.0 * PASSES * macs as f64
}

/// Multiply-adds of a stack's matrix products over `tokens` tokens.
fn stack(stack: Transformer, mlp_ratio: usize, tokens: usize) -> usize {
    let linears = (4 + 2 * mlp_ratio) * stack.width * stack.width * tokens;
    let attention = 2 * tokens * tokens * stack.width;
    stack.depth * (linears + attention)
}

/// Floating-point operations a second of the fastest of a few large matrix products, or turns of them.
///
/// `None` where their values are wrong: some drivers take work that they then do not do, and that is fast.
#[must_use]
pub fn matmul_flops_per_s(device: &Device, products: Products) -> Option<f64> {
    let plain = device.clone().without_autodiff();
    let (side, turn) = if plain == Device::flex() { (SIDE, 1) } else { (GPU_SIDE, GPU_TURN) };
    // so that a product's values are as large as its left factor's
    let deviation = (side as f64).powf(-0.5);
    let spread = Distribution::Normal(0.0, deviation);
    let random = || products.narrowed(Tensor::<2>::random([side, side], spread, &plain));
    let (a, b) = (random(), random());
    let (mut best, mut is_right) = (f64::INFINITY, true);
    for _ in 0..REPEATS {
        let started = Instant::now();
        let mut last = a.clone();
        for _ in 0..turn {
            last = last.matmul(b.clone());
        }
        // one number is read back, which waits for all of them
        last.clone().slice([0..1, 0..1]).into_data();
        best = best.min(started.elapsed().as_secs_f64());
        let row = last.slice([side - 1..side, 0..side]).into_data().convert::<f32>().try_into_vec::<f32>();
        let square: f64 = row.unwrap_or_default().iter().map(|&value| f64::from(value).powi(2)).sum();
        is_right &= (0.5..2.0).contains(&((square / side as f64).sqrt() / deviation));
    }
    is_right.then(|| 2.0 * turn as f64 * (side as f64).powi(3) / best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::tests::small_spec;

    #[test]
    fn the_pace_is_that_of_products_that_are_right() {
        let pace = matmul_flops_per_s(&Device::flex(), Products::F32).unwrap();
        assert!(pace.is_finite() && pace > 1e6, "{pace}");
    }

    #[test]
    fn a_linear_layer_takes_one_multiply_add_a_weight_and_token() {
        // all weights but those of embedding, prediction and class token, on every token
        let spec = small_spec(true);
        let c = spec.encoder();
        let weights = c.depth * 12 * c.width * c.width;
        assert_eq!(stack(c, 4, 3), 3 * weights + c.depth * 2 * 9 * c.width);
    }
}
