//! One picture through the model, plain numbers in and out: what golden files are made of.

use anyhow::ensure;
use burn::tensor::{Tensor, TensorData};

use super::{ClassifierHead, Mae};

/// What the model says of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `[N+1, C]`, the class token first.
    pub tokens: Vec<f32>,
    /// `[L, P·P·3]`, every patch of the grid in its order.
    pub painted: Vec<f32>,
    /// `[K]`, a number for each class; none without a classifier.
    pub logits: Vec<f32>,
}

/// Runs encoder, decoder and, if there is one, the classifier on one picture.
///
/// # Shapes
/// - `patches`: `[N, P·P·3]`, normalized
/// - `positions`: `[N]`
/// - `restore`: `[L]`, 0 for a hidden patch, i+1 for the i-th visible one
///
/// # Errors
/// When the lengths do not fit each other or the model's grid.
pub fn answer(
    model: &Mae,
    head: Option<&ClassifierHead>,
    patches: &[f32],
    positions: &[i64],
    restore: &[i64],
) -> anyhow::Result<Answer> {
    let (grid, n) = (model.grid(), positions.len());
    ensure!(
        patches.len() == n * grid.patch_len() && restore.len() == grid.len(),
        "{} patch values, {n} positions and {} restore entries do not fit a grid of {} patches of {} values",
        patches.len(),
        restore.len(),
        grid.len(),
        grid.patch_len()
    );
    let input = TensorData::new(patches.to_vec(), [1, n, grid.patch_len()]);
    let tokens = model.encode(Tensor::from_data(input, &model.device()), positions);
    let painted = model.paint(tokens.clone(), restore);
    let logits = head.map(|head| head.forward(tokens.clone()));
    let plain = |data: TensorData| data.convert::<f32>().try_into_vec::<f32>();
    Ok(Answer {
        tokens: plain(tokens.into_data()).map_err(|e| anyhow::anyhow!("reading the tokens back: {e:?}"))?,
        painted: plain(painted.into_data()).map_err(|e| anyhow::anyhow!("reading the patches back: {e:?}"))?,
        logits: match logits {
            Some(logits) => plain(logits.into_data()).map_err(|e| anyhow::anyhow!("reading the logits back: {e:?}"))?,
            None => Vec::new(),
        },
    })
}
