//! How the model does on pictures that it never saw.

use std::path::PathBuf;

use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use glimpse_models::ModelSpec;
use image::RgbImage;
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::data::{Augment, Batch, MaskKind, decode, draw_hidden, push_sample};
use crate::model::Mae;
use crate::sheet::{Layout, contact_sheet};

/// Part of the patches that validation hides, in blocks.
const RATIO: f64 = 0.25;
/// Rows of the contact sheet.
const ROWS: usize = 8;
/// Room between its pictures, in pixels.
const GAP_PX: u32 = 4;
/// Grey that hidden patches are shown in.
const HIDDEN_GREY: u8 = 128;

/// The validation pictures with their fixed masks.
pub struct Preview {
    spec: ModelSpec,
    pictures: Vec<Vec<u8>>,
    masks: Vec<Vec<bool>>,
    batch: Batch,
    /// `[B, M, P·P·3]`, what is behind the masks.
    wanted: Vec<f32>,
}

/// What a preview found.
pub struct Seen {
    /// Mean squared error of the hidden patches, in the units of training.
    pub loss: f64,
    /// Masked PSNR in dB, the mean over the pictures; only for models of plain pixels.
    pub psnr_db: Option<f64>,
    /// Masked, painted and original, a row a picture.
    pub sheet: RgbImage,
}

impl Preview {
    /// Reads the pictures once; broken ones are named and passed over.
    ///
    /// # Errors
    /// When a picture cannot be brought to the model's size.
    pub fn new(spec: &ModelSpec, paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut rng = Pcg64::seed_from_u64(0);
        let mut augment = Augment::new(spec.image_side());
        let grid = spec.grid();
        let hidden = ((RATIO * grid.len() as f64).round() as usize).clamp(1, grid.len() - 1);
        let mut preview =
            Self { spec: *spec, pictures: Vec::new(), masks: Vec::new(), batch: Batch::default(), wanted: Vec::new() };
        for path in paths {
            let picture = match decode(path) {
                Ok(picture) => picture,
                Err(error) => {
                    eprintln!("passed over: {error:#}");
                    continue;
                }
            };
            let pixels = augment.centre(&picture)?;
            let mask = draw_hidden(&grid, hidden, MaskKind::Block, &mut rng);
            push_sample(&mut preview.batch, spec, &pixels, &mask)?;
            preview.batch.size += 1;
            preview.pictures.push(pixels);
            preview.masks.push(mask);
        }
        preview.wanted.clone_from(&preview.batch.target);
        preview.wanted.iter_mut().zip(&preview.batch.base).for_each(|(wanted, base)| *wanted += base);
        Ok(preview)
    }

    /// Lets the model paint all of them. None if there are none.
    ///
    /// # Errors
    /// When the answer cannot be read back from the device.
    pub fn look(&self, model: &Mae, device: &Device) -> anyhow::Result<Option<Seen>> {
        if self.pictures.is_empty() {
            return Ok(None);
        }
        let mut predicted = predict(model, &self.batch, self.spec.grid().patch_len(), device)
            .into_data()
            .convert::<f32>()
            .try_into_vec::<f32>()
            .map_err(|e| anyhow::anyhow!("reading the painted patches back: {e:?}"))?;
        let errors = predicted.iter().zip(&self.batch.target).map(|(p, t)| f64::from(p - t).powi(2));
        let loss = errors.sum::<f64>() / predicted.len() as f64;
        predicted.iter_mut().zip(&self.batch.base).for_each(|(predicted, base)| *predicted += base);
        let per_picture = predicted.len() / self.pictures.len();
        let mut rows = Vec::new();
        let mut psnr = 0.0;
        for (index, pixels) in self.pictures.iter().enumerate() {
            let range = index * per_picture..(index + 1) * per_picture;
            psnr += self.psnr_db(&predicted[range.clone()], &self.wanted[range.clone()]);
            if rows.len() < ROWS {
                rows.push(self.row(pixels, &self.masks[index], &predicted[range])?);
            }
        }
        let layout = Layout { cell_px: self.spec.image_side() as u32, gap_px: GAP_PX };
        let psnr_db = (!self.spec.norm_pix()).then_some(psnr / self.pictures.len() as f64);
        Ok(Some(Seen { loss, psnr_db, sheet: contact_sheet(&rows, layout) }))
    }

    /// PSNR of one picture's hidden patches, in dB on the 8-bit scale, predictions cut to it.
    fn psnr_db(&self, predicted: &[f32], target: &[f32]) -> f64 {
        let byte = |i: usize, v: f32| f64::from(to_byte(&self.spec, i % 3, v));
        let squares = predicted.iter().zip(target).enumerate();
        let mse = squares.map(|(i, (p, t))| (byte(i, *p) - byte(i, *t)).powi(2)).sum::<f64>() / target.len() as f64;
        10.0 * (255.0f64.powi(2) / mse.max(1e-9)).log10()
    }

    fn row(&self, pixels: &[u8], mask: &[bool], predicted: &[f32]) -> anyhow::Result<Vec<RgbImage>> {
        let (side, patch) = (self.spec.image_side(), self.spec.patch_side());
        let grid = self.spec.grid();
        let (mut masked, mut painted) = (pixels.to_vec(), pixels.to_vec());
        let hidden = mask.iter().enumerate().filter(|(_, hidden)| **hidden);
        for ((index, _), values) in hidden.zip(predicted.chunks_exact(grid.patch_len())) {
            let (row, col) = grid.position(index);
            let at = |i: usize| ((row * patch + i / 3 / patch) * side + col * patch + i / 3 % patch) * 3 + i % 3;
            // A model of normalized patches knows no brightness; like the paper's pictures, the sheet lends it the
            // original patch's.
            let (mean, deviation) = if self.spec.norm_pix() {
                statistics((0..values.len()).map(|i| from_byte(&self.spec, i % 3, pixels[at(i)])))
            } else {
                (0.0, 1.0)
            };
            for (i, &value) in values.iter().enumerate() {
                masked[at(i)] = HIDDEN_GREY;
                painted[at(i)] = to_byte(&self.spec, i % 3, value * deviation + mean);
            }
        }
        let picture =
            |bytes: Vec<u8>| RgbImage::from_raw(side as u32, side as u32, bytes).context("a preview of the wrong size");
        Ok(vec![picture(masked)?, picture(painted)?, picture(pixels.to_vec())?])
    }
}

/// What the model paints at a batch's hidden places.
///
/// # Shapes
/// - returns `[B, M, P·P·3]`
pub fn predict(model: &Mae, batch: &Batch, patch_len: usize, device: &Device) -> Tensor<3> {
    let n = batch.positions.len() / batch.size;
    let visible = TensorData::new(batch.visible.clone(), [batch.size, n, patch_len]);
    let tokens = model.encode(Tensor::from_data(visible, device), &batch.positions);
    model.predict(tokens, &batch.positions, &batch.hidden)
}

fn to_byte(spec: &ModelSpec, channel: usize, value: f32) -> u8 {
    let unit = value * spec.std()[channel] + spec.mean()[channel];
    (unit * 255.0).round().clamp(0.0, 255.0) as u8
}

fn from_byte(spec: &ModelSpec, channel: usize, byte: u8) -> f32 {
    (f32::from(byte) / 255.0 - spec.mean()[channel]) / spec.std()[channel]
}

/// Mean and deviation of some values.
fn statistics(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let n = values.clone().count() as f32;
    let mean = values.clone().sum::<f32>() / n;
    (mean, (values.map(|v| (v - mean).powi(2)).sum::<f32>() / (n - 1.0)).sqrt())
}
