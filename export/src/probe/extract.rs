//! Every picture to features: of every encoder, at every share of visible patches, and its pixels.

use std::sync::{Mutex, PoisonError};

use glimpse_models::{Bundle, ModelSpec, Precision};
use glimpse_runtime::{Mask, Model, Options, Pool, Preprocessor, patchify};
use indicatif::ProgressBar;
use ndarray::{Array2, ArrayView3};
use rayon::prelude::*;

use super::pixels::Reduced;
use crate::data::{Decode as _, Example};

/// Pictures that a thread takes at a time, with models of its own.
const LOT: usize = 32;

/// How a row is taken from an encoder's tokens.
pub const POOLS: [Pool; 2] = [Pool::Cls, Pool::Mean];

/// The models that features are taken of, and what they are shown.
pub struct Extractor {
    /// What each thread takes twins of.
    encoders: Mutex<Vec<Model>>,
    count: usize,
    spec: ModelSpec,
    shares: Vec<f32>,
    seed: u64,
}

/// Features of the examples that could be read.
pub struct Extracted {
    /// `[n]`
    pub labels: Vec<usize>,
    /// `[n]`, each example's number among all that there were: what its masks follow from.
    pub numbers: Vec<u64>,
    /// `[n, D]`, 0 to 1.
    pub pixels: Array2<f32>,
    /// `[n, C]` for each share, encoder and pool, in that order.
    pub features: Vec<Array2<f32>>,
    /// Examples that could not be read.
    pub passed_over: usize,
}

/// One example: its number, class, pixels, and a row for each share, encoder and pool.
type Taken = (u64, usize, Vec<f32>, Vec<Vec<f32>>);

impl Extractor {
    /// Loads the encoders of bundles of one spec, but for the decoder, each in a form of its weights.
    ///
    /// # Errors
    /// When one cannot be loaded.
    pub fn new(bundles: &[(&Bundle, Precision)], shares: &[f32], seed: u64) -> anyhow::Result<Self> {
        let load = |(bundle, precision): &(&Bundle, Precision)| {
            Model::load(bundle, &Options { precision: *precision, threads: Some(1), ..Options::default() })
        };
        let encoders = bundles.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let (bundle, _) = bundles[0];
        Ok(Self {
            count: encoders.len(),
            encoders: Mutex::new(encoders),
            spec: *bundle.spec(),
            shares: shares.to_vec(),
            seed,
        })
    }

    /// Where the features of a share, an encoder and a pool stand in [`Extracted::features`].
    #[must_use]
    pub fn place(&self, share: usize, encoder: usize, pool: usize) -> usize {
        (share * self.count + encoder) * POOLS.len() + pool
    }

    /// What is visible of the example of that number, at one of the shares: the same for every encoder and the pixels.
    ///
    /// # Errors
    /// When the share is none.
    pub fn mask(&self, number: u64, share: usize) -> anyhow::Result<Mask> {
        // Far apart, so that no two pictures and shares draw alike.
        let draw = (number * self.shares.len() as u64 + share as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Ok(Mask::random(self.spec.grid(), 1.0 - self.shares[share], self.seed ^ draw)?)
    }

    /// Takes the features of all examples, in their order, counted on from `first`. A file that is broken is named on
    /// stderr and passed over.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn extract(&self, examples: &[Example], first: u64, progress: &ProgressBar) -> anyhow::Result<Extracted> {
        let numbered: Vec<(u64, &Example)> = (first..).zip(examples).collect();
        let lots: Vec<Vec<Taken>> =
            numbered.par_chunks(LOT).map(|lot| self.lot(lot, progress)).collect::<anyhow::Result<_>>()?;
        let taken: Vec<Taken> = lots.into_iter().flatten().collect();
        let n = taken.len();
        let sets = self.shares.len() * self.count * POOLS.len();
        let matrix = |width: usize, row: &dyn Fn(&Taken) -> Vec<f32>| -> anyhow::Result<Array2<f32>> {
            Ok(Array2::from_shape_vec((n, width), taken.iter().flat_map(row).collect())?)
        };
        let side = Reduced::new(&self.spec).side();
        let width = self.spec.encoder().width;
        Ok(Extracted {
            labels: taken.iter().map(|(_, label, ..)| *label).collect(),
            numbers: taken.iter().map(|(number, ..)| *number).collect(),
            pixels: matrix(side * side * 3, &|(_, _, pixels, _)| pixels.clone())?,
            features: (0..sets).map(|set| matrix(width, &|taken| taken.3[set].clone())).collect::<Result<_, _>>()?,
            passed_over: examples.len() - n,
        })
    }

    fn lot(&self, lot: &[(u64, &Example)], progress: &ProgressBar) -> anyhow::Result<Vec<Taken>> {
        let mut encoders = {
            // A thread that failed leaves whole models behind.
            let encoders = self.encoders.lock().unwrap_or_else(PoisonError::into_inner);
            encoders.iter().map(Model::twin).collect::<Result<Vec<_>, _>>()?
        };
        let mut preprocessor = Preprocessor::new(&self.spec);
        let reduced = Reduced::new(&self.spec);
        let mut taken = Vec::with_capacity(lot.len());
        for (number, example) in lot {
            progress.inc(1);
            let picture = match example.decode() {
                Ok(picture) => picture,
                Err(error) => {
                    progress.suspend(|| eprintln!("passed over: {error:#}"));
                    continue;
                }
            };
            let (height_px, width_px) = (picture.height() as usize, picture.width() as usize);
            let frame = ArrayView3::from_shape((height_px, width_px, 3), picture.as_raw())?;
            let image = preprocessor.image_from_frame(frame)?.to_owned();
            let patches = patchify(image.view(), self.spec.grid())?;
            let pixels = reduced.pixels(preprocessor.frame_from_image(image.view())?.view());
            let mut rows = Vec::new();
            for share in 0..self.shares.len() {
                let mask = self.mask(*number, share)?;
                for encoder in &mut encoders {
                    let tokens = encoder.encode(patches.view(), &mask)?;
                    for pool in POOLS {
                        rows.push(pool.row(tokens)?.to_vec());
                    }
                }
            }
            taken.push((*number, example.label, pixels, rows));
        }
        Ok(taken)
    }
}
