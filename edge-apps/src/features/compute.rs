//! Pictures to rows, on all threads, in the order listed.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, Result, bail};
use glimpse_runtime::{Mask, Model, Preprocessor, patchify_into};
use ndarray::{Array2, ArrayView3};

use super::{Input, Recipe};
use crate::picture::Picture;

/// How many finished pictures a thread keeps while another thread's are waited for.
const AHEAD: usize = 4;

/// What came of a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Computed {
    /// Its rows, `[rows, C]`, one after another.
    Rows(Vec<f32>),
    /// Why it could not be read.
    Broken(String),
}

/// Computes each input's rows and hands them over, in order. There are `workers` threads with a model each, all of them
/// twins of `model`.
///
/// # Errors
/// When the engine fails, and whatever `hand_over` says; a broken picture is no error.
pub fn compute(
    model: &Model,
    inputs: &[Input],
    recipe: &Recipe,
    workers: usize,
    mut hand_over: impl FnMut(&Input, Computed) -> Result<()>,
) -> Result<()> {
    let workers: Vec<Worker> =
        (0..workers).map(|_| Worker::new(model, recipe)).collect::<Result<_>>().context("making room for a model")?;
    thread::scope(|scope| {
        let count = workers.len();
        // Each thread takes every `count`-th picture, so that the order needs no sorting and nothing runs far ahead.
        let receivers: Vec<Receiver<Result<Computed>>> = workers
            .into_iter()
            .enumerate()
            .map(|(first, worker)| {
                let (sender, receiver) = sync_channel(AHEAD);
                scope.spawn(move || worker.work(inputs.iter().skip(first).step_by(count), &sender));
                receiver
            })
            .collect();
        for (index, input) in inputs.iter().enumerate() {
            // A thread ends early when it has failed, and then it has said why before.
            let computed = receivers[index % count].recv().context("a thread has ended before its work")?;
            hand_over(input, computed?)?;
        }
        Ok(())
    })
}

/// A thread's own model and buffers.
struct Worker<'a> {
    recipe: &'a Recipe,
    model: Model,
    preprocessor: Preprocessor,
    patches: Array2<f32>,
}

impl<'a> Worker<'a> {
    fn new(model: &Model, recipe: &'a Recipe) -> Result<Self> {
        let grid = model.grid();
        Ok(Self {
            recipe,
            model: model.twin()?,
            preprocessor: Preprocessor::new(model.spec()),
            patches: Array2::zeros((grid.len(), grid.patch_len())),
        })
    }

    fn work<'i>(mut self, inputs: impl Iterator<Item = &'i Input>, sender: &SyncSender<Result<Computed>>) {
        for input in inputs {
            let computed = self.computed(input);
            let failed = computed.is_err();
            if sender.send(computed).is_err() || failed {
                return;
            }
        }
    }

    fn computed(&mut self, input: &Input) -> Result<Computed> {
        match self.read(input) {
            Err(reason) => Ok(Computed::Broken(format!("{reason:#}"))),
            Ok(()) => self.encode(input).with_context(|| format!("computing features of {}", input.path.display())),
        }
    }

    /// Fills the patches with the picture's.
    fn read(&mut self, input: &Input) -> Result<()> {
        let rgb = Picture::read_to_look_at(&input.path)?.to_rgb();
        let (width_px, height_px) = (rgb.width() as usize, rgb.height() as usize);
        let frame = ArrayView3::from_shape((height_px, width_px, 3), rgb.as_raw())?;
        let image = self.preprocessor.image_from_frame(frame)?;
        patchify_into(image, self.model.grid(), self.patches.view_mut())?;
        Ok(())
    }

    fn encode(&mut self, input: &Input) -> Result<Computed> {
        let mask: Mask = self.recipe.mask(self.model.grid(), &input.name)?;
        let tokens = self.model.encode(self.patches.view(), &mask)?;
        let values = match self.recipe.pool.pool() {
            Some(pool) => pool.row(tokens)?.to_vec(),
            None => tokens.iter().copied().collect(),
        };
        if !values.iter().all(|value| value.is_finite()) {
            bail!(
                "the model's answer is not a number: the bundle's weights are broken; `glimpse-export verify` says more"
            );
        }
        Ok(Computed::Rows(values))
    }
}
