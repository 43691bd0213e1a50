//! What a model says of pictures that it never saw.

use anyhow::{Context, ensure};
use burn::module::Module as _;
use burn::tensor::{Device, Tensor, TensorData, activation};
use glimpse_models::ModelSpec;

use super::batch::patches;
use super::model::FineTuned;
use crate::data::{Augment, Example, Pictures};
use crate::train::Crew;

/// Pictures that a worker is asked about at a time.
const PICTURES_A_PIECE: usize = 8;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Cross entropy with the right classes, the mean over the pictures, in nats.
    pub loss: f64,
    /// Pictures whose likeliest class is the right one, in percent.
    pub top1_percent: f64,
    /// Pictures that could be read.
    pub pictures: usize,
}

/// Asks a model without gradients about all pictures; broken ones are passed over.
///
/// # Errors
/// When none can be read, or an answer cannot be read back from its device.
pub fn evaluate(
    model: &FineTuned,
    spec: &ModelSpec,
    pictures: &Pictures<Example>,
    crew: &Crew,
) -> anyhow::Result<Seen> {
    let pieces = pictures.len().div_ceil(PICTURES_A_PIECE);
    let found = crew.each(pieces, |piece, device| {
        let range = piece * PICTURES_A_PIECE..((piece + 1) * PICTURES_A_PIECE).min(pictures.len());
        asked(model, spec, pictures, range, device)
    });
    let (mut loss, mut right, mut count) = (0.0, 0, 0);
    for sums in found {
        let sums = sums?;
        loss += sums.loss;
        right += sums.right;
        count += sums.pictures;
    }
    ensure!(count > 0, "none of the {} pictures to ask about can be read: see the files named above", pictures.len());
    let (pictures, right) = (count, right as f64);
    Ok(Seen { loss: loss / pictures as f64, top1_percent: 100.0 * right / pictures as f64, pictures })
}

/// Sums over some pictures.
#[derive(Default)]
struct Sums {
    loss: f64,
    right: usize,
    pictures: usize,
}

fn asked(
    model: &FineTuned,
    spec: &ModelSpec,
    pictures: &Pictures<Example>,
    range: std::ops::Range<usize>,
    device: &Device,
) -> anyhow::Result<Sums> {
    let mut augment = Augment::new(spec.image_side());
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for index in range {
        if let Some(picture) = pictures.get(index) {
            pixels.push(augment.whole(&picture)?);
            labels.push(pictures.source(index).label);
        }
    }
    if labels.is_empty() {
        return Ok(Sums::default());
    }
    let shape = [labels.len(), spec.grid().len(), spec.grid().patch_len()];
    let shown = TensorData::new(patches(spec, &pixels), shape);
    let model = model.clone().to_device(device);
    let logits = model.logits(Tensor::from_data(shown, device), &[]); // [B, K]
    let [_, classes] = logits.dims();
    let said = activation::log_softmax(logits, 1).into_data().convert::<f32>().try_into_vec::<f32>();
    let said = said.map_err(|e| anyhow::anyhow!("reading the answers back: {e:?}"))?;
    let mut sums = Sums { pictures: labels.len(), ..Sums::default() };
    for (logs, &label) in said.chunks_exact(classes).zip(&labels) {
        let likeliest = logs.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        let (likeliest, _) = likeliest.context("a classifier of no classes")?;
        sums.loss -= f64::from(logs[label]);
        sums.right += usize::from(likeliest == label);
    }
    Ok(sums)
}
