//! Golden files: made-up inputs and what the model, run by burn in f32, answers.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use burn::tensor::Device;
use glimpse_models::{Classifier, ModelSpec, NormPlace};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::picture::normalized_patches;
use crate::model::{Answer, ClassifierHead, Mae, answer, encoder_alone};
use crate::weights::Weights;

/// Seed of the pictures and of the choice of patches.
const SEED: u64 = 2021;

/// What a model is asked: some patches of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// How many patches it shows: `one`, `quarter` or `all`.
    pub name: &'static str,
    /// `[N, P·P·3]`, normalized.
    pub patches: Vec<f32>,
    /// `[N]`, ascending.
    pub positions: Vec<i64>,
    /// `[L]`: 0 for a masked place, i+1 for the i-th visible one.
    pub restore: Vec<i64>,
}

/// A question and its right answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What goes in.
    pub question: Question,
    /// What comes out; `painted` is empty if the model has no decoder.
    pub answer: Answer,
}

/// Asks the model of `spec` and `weights` the golden questions, on the CPU.
///
/// # Errors
/// When the weights do not fit the spec.
pub fn cases(spec: &ModelSpec, classifier: Option<&Classifier>, weights: Weights) -> anyhow::Result<Vec<Case>> {
    let questions = questions(spec);
    let answers = answers(spec, classifier, weights, &questions)?;
    Ok(questions.into_iter().zip(answers).map(|(question, answer)| Case { question, answer }).collect())
}

/// What the model of `spec` and `weights` answers, on the CPU in f32; an encoder alone paints nothing. The weights are
/// moved into the model, so that they are in memory once.
///
/// # Errors
/// When the weights do not fit the spec.
pub fn answers(
    spec: &ModelSpec,
    classifier: Option<&Classifier>,
    weights: Weights,
    questions: &[Question],
) -> anyhow::Result<Vec<Answer>> {
    let device = Device::flex();
    let norm = classifier.map_or(NormPlace::Encoder, |classifier| classifier.norm);
    // Without a classifier its weights are surplus, which the model is to name.
    let (of_head, weights) = weights.partition(|key| classifier.is_some() && ClassifierHead::owns(key));
    let head = classifier.map(|&classifier| ClassifierHead::taking(spec, classifier, of_head, &device)).transpose()?;
    let model = if spec.decoder().is_some() {
        Mae::taking(spec, norm, weights, &device)?
    } else {
        encoder_alone(spec, norm, weights, &device)?
    };
    let ask = |question: &Question| {
        let mut said = answer(&model, head.as_ref(), &question.patches, &question.positions, &question.restore)?;
        if spec.decoder().is_none() {
            said.painted.clear();
        }
        Ok(said)
    };
    questions.iter().map(ask).collect()
}

/// One patch, a quarter of them and all of them, each of a picture of its own.
fn questions(spec: &ModelSpec) -> Vec<Question> {
    let (l, patch_len) = (spec.grid().len(), spec.grid().patch_len());
    let counts = [("one", 1), ("quarter", (l / 4).max(1)), ("all", l)];
    let ask = |(seed, (name, visible)): (u64, (&'static str, usize))| {
        let picture = normalized_patches(spec, seed);
        let mut places: Vec<usize> = (0..l).collect();
        places.shuffle(&mut Pcg64::seed_from_u64(seed));
        places.truncate(visible);
        places.sort_unstable();
        let mut restore = vec![0; l];
        for (i, &place) in places.iter().enumerate() {
            restore[place] = i as i64 + 1;
        }
        let patches = places.iter().flat_map(|&place| &picture[place * patch_len..(place + 1) * patch_len]);
        Question {
            name,
            patches: patches.copied().collect(),
            positions: places.iter().map(|&place| place as i64).collect(),
            restore,
        }
    };
    (SEED..).zip(counts).map(ask).collect()
}

/// The cases as a safetensors file: `<case>.patches`, `.positions`, `.tokens`; if the model paints, `.restore` and
/// `.painted`; if it classifies, `.logits`. The same cases give the same bytes.
///
/// # Errors
/// When safetensors refuses a tensor.
pub fn to_bytes(spec: &ModelSpec, cases: &[Case]) -> anyhow::Result<Vec<u8>> {
    let (patch_len, l) = (spec.grid().patch_len(), spec.grid().len());
    let mut tensors = Vec::new();
    for Case { question, answer } in cases {
        let n = question.positions.len();
        let key = |field: &str| format!("{}.{field}", question.name);
        tensors.push((key("patches"), Dtype::F32, vec![n, patch_len], f32_bytes(&question.patches)));
        tensors.push((key("positions"), Dtype::I64, vec![n], i64_bytes(&question.positions)));
        tensors.push((key("tokens"), Dtype::F32, vec![n + 1, spec.encoder().width], f32_bytes(&answer.tokens)));
        if spec.decoder().is_some() {
            tensors.push((key("restore"), Dtype::I64, vec![l], i64_bytes(&question.restore)));
            tensors.push((key("painted"), Dtype::F32, vec![l, patch_len], f32_bytes(&answer.painted)));
        }
        if !answer.logits.is_empty() {
            tensors.push((key("logits"), Dtype::F32, vec![answer.logits.len()], f32_bytes(&answer.logits)));
        }
    }
    let views = tensors
        .iter()
        .map(|(key, dtype, shape, bytes)| Ok((key, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None)?)
}

/// Reads the questions of a golden file, in the order `one`, `quarter`, `all`.
///
/// # Errors
/// When a tensor is missing, of another type, or does not fit the spec.
pub fn questions_from_bytes(spec: &ModelSpec, bytes: &[u8]) -> anyhow::Result<Vec<Question>> {
    let file = SafeTensors::deserialize(bytes).context("the golden file is no safetensors file")?;
    let fields: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
    let field = |key: String, dtype: Dtype| match fields.get(&key) {
        Some(view) if view.dtype() == dtype => Ok(view.data()),
        Some(view) => bail!("`{key}` of the golden file is {:?}, not {dtype:?}", view.dtype()),
        None => bail!("the golden file has no `{key}`"),
    };
    let (l, patch_len) = (spec.grid().len(), spec.grid().patch_len());
    let read = |name: &'static str| {
        let (patches, _) = field(format!("{name}.patches"), Dtype::F32)?.as_chunks();
        let patches: Vec<f32> = patches.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let (positions, _) = field(format!("{name}.positions"), Dtype::I64)?.as_chunks();
        let positions: Vec<i64> = positions.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        ensure!(
            patches.len() == positions.len() * patch_len && positions.iter().all(|&p| (0..l as i64).contains(&p)),
            "`{name}` of the golden file does not fit a grid of {l} patches of {patch_len} values"
        );
        let mut restore = vec![0; l];
        for (i, &place) in positions.iter().enumerate() {
            restore[place as usize] = i as i64 + 1;
        }
        Ok(Question { name, patches, positions, restore })
    };
    ["one", "quarter", "all"].into_iter().map(read).collect()
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn i64_bytes(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
