//! One batch of labelled pictures: what the model is shown, what it is to say, and what it goes without.

use std::ops::Range;
use std::sync::Arc;

use glimpse_models::ModelSpec;
use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::drop_path::DropPath;
use super::mix::{Area, Mix, Mixing};
use super::rand_augment::RandAugment;
use crate::data::{Augment, Build, Example, Order, Pictures, mixed, push_patches, whole_picture};

/// Keeps draws of stochastic depth apart from those of pictures.
const OF_DROP_PATH: u64 = 0x5bd1_e995_2545_f491;
/// Keeps draws of `RandAugment` apart from all others, which are the same with it and without.
const OF_RAND_AUGMENT: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// What every batch of a run has in common.
#[derive(Clone, Debug)]
pub struct BatchSpec {
    /// The model's sizes and pixel statistics.
    pub model: ModelSpec,
    /// `K`: how many classes there are.
    pub classes: usize,
    /// Samples in a batch.
    pub size: usize,
    /// Part of a picture's area that a crop covers, at least.
    pub least_area: f64,
    /// How far colours and geometry of crops are changed.
    pub rand_augment: RandAugment,
    /// How pictures and their targets are mixed.
    pub mixing: Mixing,
    /// How likely branches are dropped.
    pub drop_path: DropPath,
    /// Seed of the run: with it and a batch's number, the batch is the same each time.
    pub seed: u64,
}

/// A batch as plain numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[B, L, P·P·3]`, normalized pixels of all patches, in the order of the grid.
    pub patches: Vec<f32>,
    /// `[B, K]`, how much of each class is in a sample: 1 in all.
    pub targets: Vec<f32>,
    /// `[B, depth, 2]`, what each branch is multiplied by; empty where no branch is ever dropped.
    pub kept: Vec<f32>,
    /// Samples in the batch.
    pub size: usize,
}

impl Batch {
    /// Some of the samples, as a batch of their own.
    #[must_use]
    pub fn samples(&self, range: Range<usize>) -> Self {
        let part = |values: &[f32]| {
            let each = values.len() / self.size;
            values[range.start * each..range.end * each].to_vec()
        };
        Self { patches: part(&self.patches), targets: part(&self.targets), kept: part(&self.kept), size: range.len() }
    }
}

/// Builds batches by number; each worker has its own.
pub struct Builder {
    spec: BatchSpec,
    pictures: Arc<Pictures<Example>>,
    augment: Augment,
    order: Order,
}

impl Builder {
    /// A builder of batches from labelled `pictures`.
    #[must_use]
    pub fn new(spec: BatchSpec, pictures: Arc<Pictures<Example>>) -> Self {
        let order = Order::new(pictures.len(), spec.seed);
        let augment = Augment::new(spec.model.image_side()).with_least_area(spec.least_area);
        Self { spec, pictures, augment, order }
    }
}

impl Build for Builder {
    type Batch = Batch;

    fn build(&mut self, number: u64) -> anyhow::Result<Batch> {
        let spec = &self.spec;
        let mut rng = Pcg64::seed_from_u64(mixed(spec.seed, number));
        let mut augment_rng = Pcg64::seed_from_u64(mixed(spec.seed ^ OF_RAND_AUGMENT, number));
        let drop_rng = |sample| Pcg64::seed_from_u64(mixed(spec.seed ^ OF_DROP_PATH, sample));
        let mut batch = Batch { size: spec.size, ..Batch::default() };
        let mut pictures = Vec::with_capacity(spec.size);
        for sample in number * spec.size as u64..(number + 1) * spec.size as u64 {
            let first = self.order.at(sample);
            let (index, picture) = whole_picture(&self.pictures, first, &mut rng)?;
            let mut pixels = self.augment.crop(&picture, &mut rng)?;
            spec.rand_augment.apply(&mut pixels, &spec.model, &mut augment_rng);
            pictures.push(pixels);
            batch.targets.extend(spec.mixing.target(self.pictures.source(index).label, spec.classes));
            batch.kept.extend(spec.drop_path.draw(&mut drop_rng(sample)));
        }
        let side = spec.model.image_side();
        let mix = spec.mixing.draw(side, &mut rng);
        if let Mix::Paste(area) = mix {
            paste(&mut pictures, side, area);
        }
        batch.patches = patches(&spec.model, &pictures);
        if let Mix::Blend(own) = mix {
            batch.patches = blended(&batch.patches, spec.size, own);
        }
        batch.targets = blended(&batch.targets, spec.size, mix.own_part(side));
        Ok(batch)
    }
}

/// All patches of pictures.
///
/// # Shapes
/// - `pictures`: `[S, S, 3]` each, 8-bit
/// - returns `[B, L, P·P·3]`, normalized
#[must_use]
pub fn patches(spec: &ModelSpec, pictures: &[Vec<u8>]) -> Vec<f32> {
    let mut patches = Vec::new();
    for pixels in pictures {
        push_patches(&mut patches, spec, pixels);
    }
    patches
}

/// `own` of each sample and the rest of the one that stands as far from the end.
///
/// # Shapes
/// - `samples`: `[B, …]`
/// - returns the same shape
fn blended(samples: &[f32], size: usize, own: f32) -> Vec<f32> {
    let each = samples.len() / size;
    let mut blend = Vec::with_capacity(samples.len());
    for index in 0..size {
        let [this, other] = [index, size - 1 - index].map(|index| &samples[index * each..(index + 1) * each]);
        blend.extend(this.iter().zip(other).map(|(this, other)| own * this + (1.0 - own) * other));
    }
    blend
}

/// Puts a rectangle of the picture that stands as far from the end into each.
///
/// # Shapes
/// - `pictures`: `[S, S, 3]` each, 8-bit
fn paste(pictures: &mut [Vec<u8>], side: usize, area: Area) {
    let size = pictures.len();
    let (first, second) = pictures.split_at_mut(size / 2);
    // The one in the middle of an odd number is its own other.
    for (this, other) in first.iter_mut().zip(second.iter_mut().rev()) {
        for row in area.rows[0]..area.rows[1] {
            let span = (row * side + area.columns[0]) * 3..(row * side + area.columns[1]) * 3;
            this[span.clone()].swap_with_slice(&mut other[span]);
        }
    }
}
