//! Multi-head self-attention, without the linear layers around it.

use ndarray::{Array2, ArrayView2};

/// `softmax(q · kᵀ / √d) · v` for each head.
///
/// # Shapes
/// - `qkv`: `[T, 3·C]`: a row holds q, k and v one after the other, each of them head by head
/// - returns `[T, C]`
///
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
#[must_use]
pub fn attention(qkv: ArrayView2<f32>, heads: usize) -> Array2<f32> {
    let (tokens, c) = (qkv.nrows(), qkv.ncols() / 3);
    let d = c / heads;
    let at = |token: usize, part: usize, channel: usize| f64::from(qkv[[token, part * c + channel]]);
    let mut mixed = Array2::zeros((tokens, c));
    for head in 0..heads {
        let channels = head * d..(head + 1) * d;
        for query in 0..tokens {
            let score = |key| {
                let products = channels.clone().map(|channel| at(query, 0, channel) * at(key, 1, channel));
                products.sum::<f64>() / (d as f64).sqrt()
            };
            let scores: Vec<f64> = (0..tokens).map(score).collect();
            let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
            let total: f64 = shares.iter().sum();
            for channel in channels.clone() {
                let values = (0..tokens).map(|key| shares[key] / total * at(key, 2, channel));
                mixed[[query, channel]] = values.sum::<f64>() as f32;
            }
        }
    }
    mixed
}
