//! How the model does on pictures that it never saw.

use std::path::PathBuf;

use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use glimpse_models::ModelSpec;
use image::RgbImage;
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::data::{Augment, Batch, MaskKind, decode, draw_hidden, folder, push_sample};
use crate::model::Mae;
use crate::sheet::{Layout, contact_sheet};
use crate::verify::psnr_db;

/// Part of the patches that validation hides, in blocks.
const RATIO: f64 = 0.25;
/// Pictures that are looked at, at most: enough for a steady mean, few enough to stay in memory and to take little time.
const MOST: usize = 512;
/// Pictures that the model paints at a time.
const PICTURES_A_PIECE: usize = 16;
/// Rows of the contact sheet.
const ROWS: usize = 8;
/// Room between its pictures, in pixels.
const GAP_PX: u32 = 4;
/// Grey that hidden patches are shown in.
const HIDDEN_GREY: u8 = 128;

/// The validation pictures with their fixed masks.
pub struct Preview {
    spec: ModelSpec,
    samples: Vec<Sample>,
}

/// A picture of the model's size, and which of its patches are hidden.
struct Sample {
    pixels: Vec<u8>,
    mask: Vec<bool>,
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
    /// Reads the pictures once, at most [`MOST`] of them; broken ones are named and passed over.
    ///
    /// # Errors
    /// When a picture cannot be brought to the model's size.
    pub fn new(spec: &ModelSpec, paths: Vec<PathBuf>) -> anyhow::Result<Self> {
        if paths.len() > MOST {
            eprintln!("validation looks at {MOST} of the {} pictures that are kept for it, evenly spread", paths.len());
        }
        let mut rng = Pcg64::seed_from_u64(0);
        let mut augment = Augment::new(spec.image_side());
        let grid = spec.grid();
        let hidden = ((RATIO * grid.len() as f64).round() as usize).clamp(1, grid.len() - 1);
        let mut samples = Vec::new();
        for path in folder::spread(paths, MOST) {
            let picture = match decode(&path) {
                Ok(picture) => picture,
                Err(error) => {
                    eprintln!("passed over: {error:#}");
                    continue;
                }
            };
            let pixels = augment.centre(&picture)?;
            let mask = draw_hidden(&grid, hidden, MaskKind::Block, &mut rng);
            samples.push(Sample { pixels, mask });
        }
        Ok(Self { spec: *spec, samples })
    }

    /// Lets the model paint all of them. None if there are none.
    ///
    /// # Errors
    /// When the answer cannot be read back from the device.
    pub fn look(&self, model: &Mae, device: &Device) -> anyhow::Result<Option<Seen>> {
        if self.samples.is_empty() {
            return Ok(None);
        }
        let (mut squares, mut values, mut psnr) = (0.0, 0, 0.0);
        let mut rows = Vec::new();
        for samples in self.samples.chunks(PICTURES_A_PIECE) {
            let batch = self.batch(samples)?;
            let mut painted = predict(model, &batch, self.spec.grid().patch_len(), device)
                .into_data()
                .convert::<f32>()
                .try_into_vec::<f32>()
                .map_err(|e| anyhow::anyhow!("reading the painted patches back: {e:?}"))?;
            squares += painted.iter().zip(&batch.target).map(|(p, t)| f64::from(p - t).powi(2)).sum::<f64>();
            values += painted.len();
            let mut wanted = batch.target;
            for upon_base in [&mut painted, &mut wanted] {
                upon_base.iter_mut().zip(&batch.base).for_each(|(value, base)| *value += base);
            }
            let each = painted.len() / samples.len();
            let pairs = painted.chunks_exact(each).zip(wanted.chunks_exact(each));
            for (sample, (painted, wanted)) in samples.iter().zip(pairs) {
                psnr += self.psnr_db(painted, wanted);
                if rows.len() < ROWS {
                    rows.push(self.row(sample, painted)?);
                }
            }
        }
        let layout = Layout { cell_px: self.spec.image_side() as u32, gap_px: GAP_PX };
        let psnr_db = (!self.spec.norm_pix()).then_some(psnr / self.samples.len() as f64);
        Ok(Some(Seen { loss: squares / values as f64, psnr_db, sheet: contact_sheet(&rows, layout) }))
    }

    fn batch(&self, samples: &[Sample]) -> anyhow::Result<Batch> {
        let mut batch = Batch { size: samples.len(), ..Batch::default() };
        for Sample { pixels, mask } in samples {
            push_sample(&mut batch, &self.spec, pixels, mask)?;
        }
        Ok(batch)
    }

    /// PSNR of one picture's hidden patches, in dB on the 8-bit scale, predictions cut to it.
    fn psnr_db(&self, predicted: &[f32], target: &[f32]) -> f64 {
        let byte = |i: usize, v: f32| f64::from(to_byte(&self.spec, i % 3, v));
        let squares = predicted.iter().zip(target).enumerate();
        psnr_db(squares.map(|(i, (p, t))| (byte(i, *p) - byte(i, *t)).powi(2)).sum::<f64>() / target.len() as f64)
    }

    fn row(&self, sample: &Sample, predicted: &[f32]) -> anyhow::Result<Vec<RgbImage>> {
        let Sample { pixels, mask } = sample;
        let (side, patch) = (self.spec.image_side(), self.spec.patch_side());
        let grid = self.spec.grid();
        let (mut masked, mut painted) = (pixels.clone(), pixels.clone());
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
        Ok(vec![picture(masked)?, picture(painted)?, picture(pixels.clone())?])
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

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::emit::tests::{small_spec, small_weights};

    fn preview(count: usize) -> Preview {
        let folder = tempfile::tempdir().unwrap();
        let path = |i: usize| folder.path().join(format!("{i:04}.png"));
        for i in 0..count {
            let picture = RgbImage::from_fn(16, 16, |x, y| Rgb([(x * 15) as u8, (y * 15) as u8, (i % 256) as u8]));
            picture.save(path(i)).unwrap();
        }
        Preview::new(&small_spec(true), (0..count).map(path).collect()).unwrap()
    }

    #[test]
    fn of_many_pictures_some_are_looked_at() {
        let preview = preview(MOST + 8);
        assert_eq!(preview.samples.len(), MOST);
        // evenly spread, the last one is the last but one of all: its number is its blue
        assert_eq!(usize::from(preview.samples[MOST - 1].pixels[2]), (MOST + 6) % 256);
    }

    #[test]
    fn pieces_say_what_the_whole_says() {
        let device = Device::flex();
        let model = Mae::from_weights(&small_spec(true), &small_weights(&small_spec(true), 3), &device).unwrap();
        let mut whole = preview(2 * PICTURES_A_PIECE + 3);
        let said = whole.look(&model, &device).unwrap().unwrap();
        let count = whole.samples.len();
        let rest = Preview { spec: whole.spec, samples: whole.samples.split_off(5) };
        let parts = [&whole, &rest].map(|part| (part.samples.len(), part.look(&model, &device).unwrap().unwrap()));
        let mean =
            |of: fn(&Seen) -> f64| parts.iter().map(|(n, seen)| *n as f64 * of(seen)).sum::<f64>() / count as f64;
        assert!((said.loss / mean(|seen| seen.loss) - 1.0).abs() < 1e-6, "{}", said.loss);
        assert!((said.psnr_db.unwrap() / mean(|seen| seen.psnr_db.unwrap()) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_perfect_painting_is_as_good_as_rounding() {
        let target: Vec<f32> = (0..48).map(|i| (i as f32 * 0.3).sin()).collect();
        let found = preview(1).psnr_db(&target, &target);
        assert!((found - 58.92).abs() < 0.01, "{found}");
    }
}
