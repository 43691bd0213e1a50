//! A model's right answers, asked for before a GPU is trusted: drivers that compute wrong are common.

use glimpse_models::{Bundle, Precision};
use ndarray::Array2;
use safetensors::SafeTensors;

use super::GpuError;
use super::engine::{Engine, Task};
use super::kernels::Form;
use super::weights::Product;
use crate::Mask;
use crate::reference::tolerance;

/// The question that is asked: some patches visible, some not.
const NAME: &str = "quarter";

/// Has an engine answer the bundle's golden input.
///
/// # Errors
/// [`GpuError::Wrong`] if the answer is another one, [`GpuError::Unchecked`] if there is no question, and what the engine fails with.
pub(super) fn check(bundle: &Bundle, form: Precision, product: Product, engine: &mut Engine) -> Result<(), GpuError> {
    let question = Question::read(bundle).ok_or(GpuError::Unchecked)?;
    let limits = limits(form, product);
    let size = mean_square(question.tokens.iter().copied()).sqrt();
    let answer = engine.run(Task::Encode(question.patches.view()), &question.mask)?;
    GpuError::check(rms(&answer.tokens, &question.tokens) / size, limits[0])?;
    let Some(painted) = &question.painted else { return Ok(()) };
    // The right answer may have next to no contrast: what it is off by is held against a normalized value's size, 1.
    let answer = engine.run(Task::Predict(question.patches.view()), &question.mask)?;
    GpuError::check(rms(&answer.painted, painted), limits[1])
}

/// The largest errors that are allowed, of tokens and of painted values. The golden answer is that of f32 weights.
pub(super) fn limits(form: Precision, product: Product) -> [f64; 2] {
    match (form, product) {
        (Precision::Int8, _) => [tolerance::GPU_INT8, tolerance::INT8_PAINTED_RMS],
        (Precision::F32, Product::Wide(Form::F16)) => [tolerance::GPU_F16; 2],
        (Precision::F32, _) => [tolerance::GPU_F32; 2],
    }
}

fn rms(got: &[f32], expected: &[f32]) -> f64 {
    if got.len() != expected.len() {
        return f64::NAN;
    }
    mean_square(got.iter().zip(expected).map(|(got, expected)| got - expected)).sqrt()
}

fn mean_square(values: impl ExactSizeIterator<Item = f32>) -> f64 {
    let count = values.len().max(1) as f64;
    values.map(|value| f64::from(value).powi(2)).sum::<f64>() / count
}

/// A question of a golden file, and its answer.
struct Question {
    mask: Mask,
    /// `[L, P·P·3]`, zeros where masked
    patches: Array2<f32>,
    /// `[N+1, C]`
    tokens: Vec<f32>,
    /// `[L, P·P·3]`
    painted: Option<Vec<f32>>,
}

impl Question {
    /// Reads it; none of a file that has none.
    fn read(bundle: &Bundle) -> Option<Self> {
        let file = SafeTensors::deserialize(bundle.golden()).ok()?;
        let values = |field: &str| {
            let tensor = file.tensor(&format!("{NAME}.{field}")).ok()?;
            let words = tensor.data().as_chunks::<4>().0;
            Some(words.iter().map(|&word| f32::from_le_bytes(word)).collect::<Vec<f32>>())
        };
        let positions = file.tensor(&format!("{NAME}.positions")).ok()?;
        let positions = positions.data().as_chunks::<8>().0.iter();
        let visible: Vec<usize> = positions.map(|&word| i64::from_le_bytes(word) as usize).collect();
        let grid = bundle.spec().grid();
        let mask = Mask::from_visible(grid, &visible).ok()?;
        let mut patches = Array2::zeros((grid.len(), grid.patch_len()));
        for (row, &index) in values("patches")?.chunks_exact(grid.patch_len()).zip(&visible) {
            patches.row_mut(index).as_slice_mut()?.copy_from_slice(row);
        }
        let painted = bundle.spec().decoder().and_then(|_| values("painted"));
        Some(Self { mask, patches, tokens: values("tokens")?, painted })
    }
}
