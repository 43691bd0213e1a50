//! The runtime's answers to a bundle's golden inputs, beside burn's.

use std::fmt;

use anyhow::{Context, ensure};
use glimpse_models::{Bundle, Classifier, ModelSpec, Part, Precision};
use glimpse_runtime::{Mask, Model, Options};
use ndarray::Array2;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;

use crate::emit::Checkpoint;
use crate::emit::golden::{self, Question};
use crate::model::Answer;

/// The same maths in another order of sums: what f32 leaves of a transformer's answer.
const RELATIVE_ERROR_MAX: f64 = 1e-5;
/// Weights and values of 8 bits turn an answer by less than this.
const COSINE_MIN: f64 = 0.99;

/// What a model gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// The encoder's, `[N+1, C]`.
    Tokens,
    /// The decoder's, `[L, P·P·3]`.
    Painted,
    /// The classifier's, `[K]`.
    Logits,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tokens => "tokens",
            Self::Painted => "painted",
            Self::Logits => "logits",
        })
    }
}

/// One of the runtime's answers beside burn's.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The golden input: `one`, `quarter` or `all`.
    pub case: &'static str,
    /// How many patches it shows.
    pub visible: usize,
    /// What the runtime computed with.
    pub precision: Precision,
    /// Which answer it is.
    pub output: Output,
    /// How far apart the two are.
    #[serde(flatten)]
    pub differences: Differences,
    /// How far apart they may be.
    pub limit: Limit,
    /// Whether they are within it.
    pub passed: bool,
}

/// How far two matrices are apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Differences {
    /// `max|a − b| / max|b|`; infinite if a number is not finite.
    pub relative_error: f64,
    /// Least cosine between a row of one and the same row of the other.
    pub cosine_min: f64,
    /// Mean of these cosines.
    pub cosine_mean: f64,
}

impl Differences {
    /// Compares an answer with the right one.
    ///
    /// # Shapes
    /// - `answer`, `right`: `[rows, row_len]`, at least one row
    ///
    /// # Errors
    /// When they are of different lengths, or without a row.
    pub fn new(answer: &[f32], right: &[f32], row_len: usize) -> anyhow::Result<Self> {
        ensure!(
            answer.len() == right.len() && row_len > 0 && right.len() >= row_len,
            "an answer of {} numbers cannot be compared with one of {}, in rows of {row_len}",
            answer.len(),
            right.len()
        );
        if !answer.iter().chain(right).all(|value| value.is_finite()) {
            return Ok(Self { relative_error: f64::INFINITY, cosine_min: -1.0, cosine_mean: -1.0 });
        }
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let error = largest(&mut answer.iter().zip(right).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()));
        let scale = largest(&mut right.iter().map(|b| f64::from(*b).abs()));
        let cosines: Vec<f64> = answer.chunks(row_len).zip(right.chunks(row_len)).map(|(a, b)| cosine(a, b)).collect();
        Ok(Self {
            relative_error: if error > 0.0 { error / scale } else { 0.0 },
            cosine_min: cosines.iter().copied().fold(1.0, f64::min),
            cosine_mean: cosines.iter().sum::<f64>() / cosines.len() as f64,
        })
    }
}

/// Cosine of the angle between two vectors; two that are nothing agree, one that is nothing agrees with no other.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    match (dot(a, a), dot(b, b)) {
        (0.0, 0.0) => 1.0,
        (0.0, _) | (_, 0.0) => 0.0,
        (aa, bb) => dot(a, b) / (aa.sqrt() * bb.sqrt()),
    }
}

/// What a comparison is held to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The relative error is at most this.
    RelativeError(f64),
    /// The least cosine is at least this.
    CosineMin(f64),
    /// The mean cosine is at least this.
    CosineMean(f64),
}

impl Limit {
    /// f32 weights give burn's numbers. int8 weights give its directions: of each token, and of patches in the mean, since
    /// a patch of the mean colour has next to no direction.
    const fn new(weights: Precision, output: Output) -> Self {
        match (weights, output) {
            (Precision::F32, _) => Self::RelativeError(RELATIVE_ERROR_MAX),
            (Precision::Int8, Output::Tokens | Output::Logits) => Self::CosineMin(COSINE_MIN),
            (Precision::Int8, Output::Painted) => Self::CosineMean(COSINE_MIN),
        }
    }

    fn holds(self, differences: &Differences) -> bool {
        match self {
            Self::RelativeError(most) => differences.relative_error <= most,
            Self::CosineMin(least) => differences.cosine_min >= least,
            Self::CosineMean(least) => differences.cosine_mean >= least,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RelativeError(most) => write!(f, "error ≤ {most:e}"),
            Self::CosineMin(least) => write!(f, "least cosine ≥ {least}"),
            Self::CosineMean(least) => write!(f, "mean cosine ≥ {least}"),
        }
    }
}

/// The comparisons, and the runtime's answers that they are of.
#[derive(Clone, Debug)]
pub struct Parity {
    /// For each precision and golden input, the tokens and, if the model has a decoder or a classifier, the painted
    /// patches or the logits.
    pub comparisons: Vec<Comparison>,
    spec: ModelSpec,
    answers: Vec<(String, Answer)>,
}

impl Parity {
    /// Whether every comparison is within its limit.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.comparisons.iter().all(|comparison| comparison.passed)
    }

    /// The runtime's answers as a safetensors file: `<case>.<precision>.tokens`, `.painted` and `.logits`.
    ///
    /// # Errors
    /// When safetensors refuses a tensor.
    pub fn answers_to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut tensors = Vec::new();
        for (key, answer) in &self.answers {
            for (output, values, row_len) in outputs(&self.spec, answer) {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                tensors.push((format!("{key}.{output}"), vec![values.len() / row_len, row_len], bytes));
            }
        }
        let views = tensors
            .iter()
            .map(|(key, shape, bytes)| Ok((key, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(safetensors::serialize(views, None)?)
    }
}

/// Compares the runtime with burn on the golden inputs. burn's answers are those of the golden file or, if there is a
/// checkpoint, computed anew from it.
///
/// # Errors
/// When the golden file or the checkpoint does not fit the bundle's spec, or the runtime cannot load or run it.
pub fn parity(bundle: &Bundle, precisions: &[Precision], checkpoint: Option<&Checkpoint>) -> anyhow::Result<Parity> {
    let spec = *bundle.spec();
    let questions = golden::questions_from_bytes(&spec, bundle.golden())?;
    let right = match checkpoint {
        Some(checkpoint) => {
            ensure!(*checkpoint.spec() == spec, "the checkpoint's spec is not the bundle's: they are two models");
            ensure!(
                checkpoint.description().classifier.as_ref() == bundle.classifier(),
                "the checkpoint's classifier is not the bundle's: they are two models"
            );
            golden::answers(&spec, bundle.classifier(), checkpoint.weights().clone(), &questions)?
        }
        None => stored_answers(bundle, &questions)?,
    };
    let mut parity = Parity { comparisons: Vec::new(), spec, answers: Vec::new() };
    for &precision in precisions {
        let options = Options { precision, threads: None, ..Options::default() };
        let mut model = Model::load(bundle, &options).with_context(|| format!("loading the {precision} form"))?;
        // A bundle without f32 weights computes in f32 what its int8 weights say.
        let weights = if bundle.graph(Part::Encoder, precision).is_some() { precision } else { Precision::Int8 };
        for (question, right) in questions.iter().zip(&right) {
            let said = ask(&mut model, bundle.classifier(), question)
                .with_context(|| format!("asking the runtime ({precision}) the golden question `{}`", question.name))?;
            for ((output, said, row_len), (_, right, _)) in outputs(&spec, &said).zip(outputs(&spec, right)) {
                let differences = Differences::new(said, right, row_len)?;
                let limit = Limit::new(weights, output);
                parity.comparisons.push(Comparison {
                    case: question.name,
                    visible: question.positions.len(),
                    precision,
                    output,
                    differences,
                    limit,
                    passed: limit.holds(&differences),
                });
            }
            parity.answers.push((format!("{}.{precision}", question.name), said));
        }
    }
    Ok(parity)
}

/// The answer's parts, each with the length of its rows; a model without a decoder has the tokens alone.
fn outputs<'a>(spec: &ModelSpec, answer: &'a Answer) -> impl Iterator<Item = (Output, &'a [f32], usize)> {
    let tokens = (Output::Tokens, &answer.tokens[..], spec.encoder().width);
    let painted = (Output::Painted, &answer.painted[..], spec.grid().patch_len());
    let logits = (Output::Logits, &answer.logits[..], answer.logits.len());
    [tokens, painted, logits].into_iter().filter(|(_, values, _)| !values.is_empty())
}

fn ask(model: &mut Model, classifier: Option<&Classifier>, question: &Question) -> anyhow::Result<Answer> {
    let (grid, decoder) = (model.grid(), model.spec().decoder());
    let visible: Vec<usize> = question.positions.iter().map(|&position| position as usize).collect();
    let mask = Mask::from_visible(grid, &visible)?;
    ensure!(mask.visible() == visible, "its patches are not in rising order");
    let mut patches = Array2::zeros((grid.len(), grid.patch_len())); // [L, P·P·3]
    for (&place, values) in visible.iter().zip(question.patches.chunks(grid.patch_len())) {
        patches.row_mut(place).iter_mut().zip(values).for_each(|(patch, value)| *patch = *value);
    }
    let tokens = model.encode(patches.view(), &mask)?.iter().copied().collect();
    let painted = match decoder {
        Some(_) => model.predict(patches.view(), &mask)?.iter().copied().collect(),
        None => Vec::new(),
    };
    let logits = match classifier {
        Some(_) => model.classify(patches.view(), &mask)?.to_vec(),
        None => Vec::new(),
    };
    Ok(Answer { tokens, painted, logits })
}

/// burn's answers, as the golden file holds them.
fn stored_answers(bundle: &Bundle, questions: &[Question]) -> anyhow::Result<Vec<Answer>> {
    let spec = bundle.spec();
    let file = SafeTensors::deserialize(bundle.golden()).context("the golden file is no safetensors file")?;
    let values = |key: String, shape: &[usize]| -> anyhow::Result<Vec<f32>> {
        let view = file.tensor(&key).with_context(|| format!("the golden file has no `{key}`"))?;
        ensure!(
            view.dtype() == Dtype::F32 && view.shape() == shape,
            "`{key}` of the golden file is {:?} {:?}, not F32 {shape:?}",
            view.dtype(),
            view.shape()
        );
        Ok(view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    let read = |question: &Question| {
        let (name, n, grid) = (question.name, question.positions.len(), spec.grid());
        let tokens = values(format!("{name}.tokens"), &[n + 1, spec.encoder().width])?;
        let painted = match spec.decoder() {
            Some(_) => values(format!("{name}.painted"), &[grid.len(), grid.patch_len()])?,
            None => Vec::new(),
        };
        let logits = match bundle.classifier() {
            Some(classifier) => values(format!("{name}.logits"), &[classifier.classes])?,
            None => Vec::new(),
        };
        Ok(Answer { tokens, painted, logits })
    };
    questions.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_by_hand() {
        let differences = Differences::new(&[3.0, 4.0, 0.0, 1.0], &[3.0, 4.5, 1.0, 0.0], 2).unwrap();
        assert!((differences.relative_error - 1.0 / 4.5).abs() < 1e-12);
        assert!(differences.cosine_min.abs() < 1e-12);
        let first = (9.0 + 18.0) / (5.0 * (9.0_f64 + 20.25).sqrt());
        assert!((differences.cosine_mean - first / 2.0).abs() < 1e-12);
    }

    #[test]
    fn equal_answers_hold_every_limit_and_broken_ones_none() {
        let same = Differences::new(&[1.0, -2.0, 0.0, 0.0], &[1.0, -2.0, 0.0, 0.0], 2).unwrap();
        let broken = Differences::new(&[f32::NAN, -2.0], &[1.0, -2.0], 2).unwrap();
        for precision in Precision::ALL {
            for output in [Output::Tokens, Output::Painted] {
                assert!(Limit::new(precision, output).holds(&same));
                assert!(!Limit::new(precision, output).holds(&broken));
            }
        }
        assert!(Differences::new(&[1.0], &[1.0, 2.0], 1).is_err());
        assert!(Differences::new(&[], &[], 1).is_err());
    }
}
