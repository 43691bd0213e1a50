//! The classifier of a fine-tuned model.

use glimpse_models::{Classifier, ModelSpec, NormPlace, Pool};
use ndarray::{Array1, ArrayView2, Axis, s};

use super::{Weights, layer_norm, linear};
use crate::Result;

/// Tokens to a number for each class.
///
/// # Shapes
/// - `tokens`: `[N+1, C]`, the class token first
/// - returns `[K]`
///
/// # Errors
/// [`Error::WeightMissing`](crate::Error::WeightMissing).
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, appendix A.1.
pub fn classifier(
    spec: &ModelSpec,
    classifier: &Classifier,
    weights: &Weights,
    tokens: ArrayView2<f32>,
) -> Result<Array1<f32>> {
    let n = (tokens.nrows() - 1) as f64;
    let pooled = match classifier.pool {
        Pool::Cls => tokens.row(0).to_owned(), // [C]
        Pool::Mean => tokens.slice(s![1.., ..]).mapv(f64::from).sum_axis(Axis(0)).mapv(|sum| (sum / n) as f32), // [C]
    };
    let mut x = pooled.insert_axis(Axis(0)); // [1, C]
    if classifier.norm == NormPlace::Classifier {
        let (weight, bias) = (weights.vector("fc_norm.weight")?, weights.vector("fc_norm.bias")?);
        x = layer_norm(x.view(), weight, bias, spec.layer_norm_epsilon()); // [1, C]
    }
    let logits = linear(x.view(), weights.matrix("head.weight")?, weights.vector("head.bias")?); // [1, K]
    Ok(logits.row(0).to_owned())
}
