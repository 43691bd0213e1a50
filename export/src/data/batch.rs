//! One training batch: what the model is shown and what it is to paint.

use std::ops::Range;
use std::sync::Arc;

use anyhow::bail;
use glimpse_models::{Base, ModelSpec};
use glimpse_runtime::{Mask, base_patches};
use image::RgbImage;
use ndarray::{Array2, ArrayView2};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::augment::Augment;
use super::loader::Build;
use super::masks::{MaskSpec, draw_hidden};
use super::pictures::{Decode, Pictures};

/// Added to a patch's variance before its root is taken, when targets are normalized patch by patch.
const NORM_PIX_EPSILON: f32 = 1e-6;

/// Pictures that may be broken in a row before the folder is given up.
const BROKEN_IN_A_ROW: usize = 100;

/// What every batch of a run has in common.
#[derive(Clone, Debug)]
pub struct BatchSpec {
    /// The model's sizes and pixel statistics.
    pub model: ModelSpec,
    /// Samples in a batch.
    pub size: usize,
    /// How to draw masks.
    pub mask: MaskSpec,
    /// Seed of the run: with it and a batch's number, the batch is the same each time.
    pub seed: u64,
}

/// A batch as plain numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[B, N, P·P·3]`, normalized pixels of the visible patches.
    pub visible: Vec<f32>,
    /// `[B, N]`, their places in the grid.
    pub positions: Vec<i64>,
    /// `[B, M, P·P·3]`, what the model is to say of the hidden patches: their pixels, normalized as it predicts them, less
    /// its base.
    pub target: Vec<f32>,
    /// `[B, M, P·P·3]`, what the model's answer is added to; empty for a model that is added to nothing.
    pub base: Vec<f32>,
    /// `[B, M]`, their places in the grid.
    pub hidden: Vec<i64>,
    /// Samples in the batch.
    pub size: usize,
}

impl Batch {
    /// Some of the samples, as a batch of their own.
    #[must_use]
    pub fn samples(&self, range: Range<usize>) -> Self {
        fn part<T: Copy>(values: &[T], samples: usize, range: &Range<usize>) -> Vec<T> {
            let each = values.len() / samples;
            values[range.start * each..range.end * each].to_vec()
        }
        let size = self.size;
        Self {
            visible: part(&self.visible, size, &range),
            positions: part(&self.positions, size, &range),
            target: part(&self.target, size, &range),
            base: part(&self.base, size, &range),
            hidden: part(&self.hidden, size, &range),
            size: range.len(),
        }
    }
}

/// Builds batches by number; each worker has its own.
pub struct Builder {
    spec: BatchSpec,
    pictures: Arc<Pictures>,
    augment: Augment,
    order: Order,
}

impl Builder {
    /// A builder of batches from `pictures`.
    #[must_use]
    pub fn new(spec: BatchSpec, pictures: Arc<Pictures>) -> Self {
        let order = Order::new(pictures.len(), spec.seed);
        Self { augment: Augment::new(spec.model.image_side()), spec, pictures, order }
    }
}

impl Build for Builder {
    type Batch = Batch;

    fn build(&mut self, number: u64) -> anyhow::Result<Batch> {
        let spec = &self.spec;
        let mut rng = Pcg64::seed_from_u64(mixed(spec.seed, number));
        let grid = spec.model.grid();
        let (hidden_count, kind) = spec.mask.draw(&grid, &mut rng);
        let mut batch = Batch { size: spec.size, ..Batch::default() };
        for sample in 0..spec.size as u64 {
            let first = self.order.at(number * spec.size as u64 + sample);
            let (_, picture) = whole_picture(&self.pictures, first, &mut rng)?;
            let pixels = self.augment.crop(&picture, &mut rng)?;
            let mask = draw_hidden(&grid, hidden_count, kind, &mut rng);
            push_sample(&mut batch, &spec.model, &pixels, &mask)?;
        }
        Ok(batch)
    }
}

/// The order in which samples take pictures: each picture once an epoch, shuffled anew each time.
pub(crate) struct Order {
    epoch: u64,
    seed: u64,
    pictures: Vec<usize>,
}

impl Order {
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let mut order = Self { epoch: 0, seed, pictures: (0..count).collect() };
        order.shuffle();
        order
    }

    pub(crate) fn at(&mut self, sample: u64) -> usize {
        let count = self.pictures.len() as u64;
        if self.epoch != sample / count {
            self.epoch = sample / count;
            self.shuffle();
        }
        self.pictures[(sample % count) as usize]
    }

    fn shuffle(&mut self) {
        self.pictures.sort_unstable();
        self.pictures.shuffle(&mut Pcg64::seed_from_u64(mixed(!self.seed, self.epoch)));
    }
}

/// A seed for the `number`-th of many independent draws.
pub(crate) fn mixed(seed: u64, number: u64) -> u64 {
    seed ^ number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Adds one picture to a batch.
///
/// # Shapes
/// - `pixels`: `[S, S, 3]`, 8-bit
/// - `mask`: `[L]`, true where hidden
///
/// # Errors
/// When everything is hidden.
pub fn push_sample(batch: &mut Batch, model: &ModelSpec, pixels: &[u8], mask: &[bool]) -> anyhow::Result<()> {
    let patch_len = model.grid().patch_len();
    let mut patches = Vec::with_capacity(mask.len() * patch_len);
    push_patches(&mut patches, model, pixels);
    let base = base(model, &patches, mask)?;
    for (index, (&hidden, patch)) in mask.iter().zip(patches.chunks_exact_mut(patch_len)).enumerate() {
        if !hidden {
            batch.visible.extend_from_slice(patch);
            batch.positions.push(index as i64);
            continue;
        }
        if model.norm_pix() {
            normalize_patch(patch);
        }
        batch.hidden.push(index as i64);
        match base.as_ref().map(|base| base.row(index)) {
            Some(base) => {
                batch.target.extend(patch.iter().zip(base).map(|(pixel, base)| pixel - base));
                batch.base.extend(base);
            }
            None => batch.target.extend_from_slice(patch),
        }
    }
    Ok(())
}

/// What the model's answer is added to, if to anything.
///
/// # Shapes
/// - `patches`: `[L, P·P·3]`
/// - returns `[L, P·P·3]`
fn base(model: &ModelSpec, patches: &[f32], mask: &[bool]) -> anyhow::Result<Option<Array2<f32>>> {
    if model.base() == Base::Zero {
        return Ok(None);
    }
    let grid = model.grid();
    let masked: Vec<usize> = (0..mask.len()).filter(|index| mask[*index]).collect();
    let mask = Mask::from_masked(grid, &masked)?;
    let patches = ArrayView2::from_shape([grid.len(), grid.patch_len()], patches)?;
    Ok(Some(base_patches(model, patches, &mask)?))
}

/// Adds all of a picture's patches, normalized.
///
/// # Shapes
/// - `pixels`: `[S, S, 3]`, 8-bit
/// - adds `[L, P·P·3]`
pub(crate) fn push_patches(values: &mut Vec<f32>, model: &ModelSpec, pixels: &[u8]) {
    for index in 0..model.grid().len() {
        push_patch(values, model, pixels, index);
    }
}

fn push_patch(values: &mut Vec<f32>, model: &ModelSpec, pixels: &[u8], index: usize) {
    let (side, patch) = (model.image_side(), model.patch_side());
    let (row, col) = model.grid().position(index);
    let (mean, std) = (model.mean(), model.std());
    for y in row * patch..(row + 1) * patch {
        let start = (y * side + col * patch) * 3;
        for (offset, &byte) in pixels[start..start + patch * 3].iter().enumerate() {
            let channel = offset % 3;
            values.push((f32::from(byte) / 255.0 - mean[channel]) / std[channel]);
        }
    }
}

/// Takes a patch's mean from it and divides it by its deviation (the unbiased one, as the paper's code does).
fn normalize_patch(patch: &mut [f32]) {
    let n = patch.len() as f32;
    let mean = patch.iter().sum::<f32>() / n;
    let variance = patch.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / (n - 1.0);
    let scale = (variance + NORM_PIX_EPSILON).sqrt().recip();
    for value in patch {
        *value = (*value - mean) * scale;
    }
}

/// The picture of that index, or, if its file is broken, one drawn in its place; with the index of the one it is.
pub(crate) fn whole_picture<S: Decode>(
    pictures: &Pictures<S>,
    first: usize,
    rng: &mut Pcg64,
) -> anyhow::Result<(usize, Arc<RgbImage>)> {
    let mut index = first;
    for _ in 0..BROKEN_IN_A_ROW {
        if let Some(picture) = pictures.get(index) {
            return Ok((index, picture));
        }
        index = rng.random_range(0..pictures.len());
    }
    bail!("{BROKEN_IN_A_ROW} pictures in a row could not be read: see the files named above")
}

#[cfg(test)]
mod tests {
    use glimpse_models::RawSpec;

    use super::*;

    #[test]
    fn an_epoch_takes_each_picture_once_and_epochs_differ() {
        let mut order = Order::new(30, 7);
        let mut epoch = |e: u64| -> Vec<usize> { (0..30).map(|i| order.at(e * 30 + i)).collect() };
        let (first, second, again) = (epoch(0), epoch(1), epoch(0));
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..30).collect::<Vec<_>>());
        assert_eq!(first, again);
        assert_ne!(first, second);
    }

    #[test]
    fn a_target_and_its_base_are_the_pixels() {
        let plain = crate::emit::tests::small_spec(true);
        let model = ModelSpec::new(RawSpec { base: Base::Membrane, ..plain.into() }).unwrap();
        let (side, grid) = (model.image_side(), model.grid());
        let pixels: Vec<u8> = (0..side * side * 3).map(|i| (i * 37 % 251) as u8).collect();
        let mask: Vec<bool> = (0..grid.len()).map(|index| index % 3 == 1).collect();
        let (mut upon_zero, mut upon_membrane) = (Batch::default(), Batch::default());
        for (spec, batch) in [(&plain, &mut upon_zero), (&model, &mut upon_membrane)] {
            batch.size = 2;
            push_sample(batch, spec, &pixels, &mask).unwrap();
            push_sample(batch, spec, &pixels[3..].iter().chain(&[1, 2, 3]).copied().collect::<Vec<_>>(), &mask)
                .unwrap();
        }
        assert!(upon_zero.base.is_empty() && upon_membrane.base.iter().any(|b| *b != 0.0));
        assert_eq!(upon_zero.visible, upon_membrane.visible);
        let sum = |batch: &Batch| -> Vec<f32> { batch.target.iter().zip(&batch.base).map(|(t, b)| t + b).collect() };
        let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&sum(&upon_membrane), &upon_zero.target));
        assert!(close(&sum(&upon_membrane.samples(1..2)), &upon_zero.samples(1..2).target));
    }

    #[test]
    fn a_normalized_patch_has_no_mean_and_unit_variance() {
        let mut patch: Vec<f32> = (0..48).map(|i| (i as f32 * 0.37).sin() * 3.0 + 1.0).collect();
        normalize_patch(&mut patch);
        let mean = patch.iter().sum::<f32>() / 48.0;
        let variance = patch.iter().map(|v| v * v).sum::<f32>() / 47.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
    }
}
