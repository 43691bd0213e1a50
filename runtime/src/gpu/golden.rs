//! A model's right answers, asked for before a GPU is trusted: drivers that compute wrong are common.

use glimpse_models::{Bundle, Precision};

use super::GpuError;
use super::engine::{Engine, Task};
use super::kernels::Form;
use super::weights::Product;
use crate::golden::Question;
use crate::reference::tolerance;

/// Has an engine answer the bundle's golden input.
///
/// # Errors
/// [`GpuError::Wrong`] if the answer is another one, [`GpuError::Unchecked`] if there is no question, and what the engine fails
/// with.
pub(super) fn check(bundle: &Bundle, form: Precision, product: Product, engine: &mut Engine) -> Result<(), GpuError> {
    let question = Question::read(bundle).ok_or(GpuError::Unchecked)?;
    let limits = limits(form, product);
    let answer = engine.run(Task::Encode(question.patches.view()), &question.mask)?;
    GpuError::check(question.tokens_error(&answer.tokens), limits[0])?;
    if !question.is_painted() {
        return Ok(());
    }
    let answer = engine.run(Task::Predict(question.patches.view()), &question.mask)?;
    question.painted_error(&answer.painted).map_or(Ok(()), |error| GpuError::check(error, limits[1]))
}

/// The largest errors that are allowed, of tokens and of painted values. The golden answer is that of f32 weights.
pub(super) fn limits(form: Precision, product: Product) -> [f64; 2] {
    match (form, product) {
        (Precision::Int8, _) => [tolerance::GPU_INT8, tolerance::INT8_PAINTED_RMS],
        (Precision::F32, Product::Wide(Form::F16)) => [tolerance::GPU_F16; 2],
        (Precision::F32, Product::Half) => [tolerance::GPU_F16_PRODUCTS; 2],
        (Precision::F32, _) => [tolerance::GPU_F32; 2],
    }
}
