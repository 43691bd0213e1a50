//! Pictures to rows, on all threads, in the order listed.

use anyhow::{Context, Result, bail};
use glimpse_runtime::{Mask, Model};
use ndarray::ArrayView2;

use super::{Input, Recipe};
use crate::in_order::in_order;
use crate::patches::PatchReader;

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
    hand_over: impl FnMut(&Input, Computed) -> Result<()>,
) -> Result<()> {
    let worker = |_| -> Result<_> {
        let mut worker = Worker { recipe, model: model.twin()?, reader: PatchReader::new(model.spec()) };
        Ok(move |input: &Input| worker.computed(input))
    };
    let workers = (0..workers).map(worker).collect::<Result<Vec<_>>>().context("making room for a model")?;
    in_order(inputs, workers, hand_over)
}

/// A thread's own model and buffers.
struct Worker<'a> {
    recipe: &'a Recipe,
    model: Model,
    reader: PatchReader,
}

impl Worker<'_> {
    fn computed(&mut self, input: &Input) -> Result<Computed> {
        match self.reader.read(&input.path) {
            Err(reason) => Ok(Computed::Broken(format!("{reason:#}"))),
            Ok(patches) => encode(&mut self.model, self.recipe, patches, input)
                .with_context(|| format!("computing features of {}", input.path.display())),
        }
    }
}

fn encode(model: &mut Model, recipe: &Recipe, patches: ArrayView2<f32>, input: &Input) -> Result<Computed> {
    let mask: Mask = recipe.mask(model.grid(), &input.name)?;
    let tokens = model.encode(patches, &mask)?;
    let values = match recipe.pool.pool() {
        Some(pool) => pool.row(tokens)?.to_vec(),
        None => tokens.iter().copied().collect(),
    };
    if !values.iter().all(|value| value.is_finite()) {
        bail!("the model's answer is not a number: the bundle's weights are broken; `glimpse-export verify` says more");
    }
    Ok(Computed::Rows(values))
}
