//! A model's right answers, which its bundle holds: how far what computes it is from them.

use glimpse_models::{Bundle, Precision};
use ndarray::Array2;
use safetensors::SafeTensors;

use crate::reference::tolerance;
use crate::{Mask, Model, Result};

/// The question that is asked: some patches visible, some not.
const NAME: &str = "quarter";

/// How far a model's answers are from those that its bundle says are right, which are those of f32 weights.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Golden {
    /// Relative error of the tokens.
    pub tokens: f64,
    /// Root mean square by which painted values are off, normalized; none of a model that does not paint.
    pub painted: Option<f64>,
    /// What tokens and painted values may be off by, in the form that the model was loaded in.
    pub limits: [f64; 2],
}

impl Golden {
    /// Whether both are within what they may be off by.
    #[must_use]
    pub fn is_right(&self) -> bool {
        // NaN is wrong, too
        self.tokens <= self.limits[0] && self.painted.is_none_or(|painted| painted <= self.limits[1])
    }
}

impl Model {
    /// Answers the question of a bundle's golden file, which is to be the bundle that the model was loaded from; none if it has
    /// no question.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub fn golden(&mut self, bundle: &Bundle) -> Result<Option<Golden>> {
        let Some(question) = Question::read(bundle) else { return Ok(None) };
        let flat = |answer: ndarray::ArrayView2<f32>| answer.iter().copied().collect::<Vec<f32>>();
        let tokens = question.tokens_error(&flat(self.encode(question.patches.view(), &question.mask)?));
        let painted = if question.is_painted() {
            question.painted_error(&flat(self.predict(question.patches.view(), &question.mask)?))
        } else {
            None
        };
        let limits = match self.form() {
            Precision::Int8 => [tolerance::GPU_INT8, tolerance::INT8_PAINTED_RMS],
            Precision::F32 if self.runs_on() == "cpu" => [tolerance::GPU_F32; 2],
            // whose weights may be of 16 bits
            Precision::F32 => [tolerance::GPU_F16; 2],
        };
        Ok(Some(Golden { tokens, painted, limits }))
    }
}

/// A question of a golden file, and its answer.
pub(crate) struct Question {
    pub(crate) mask: Mask,
    /// `[L, P·P·3]`, zeros where masked
    pub(crate) patches: Array2<f32>,
    /// `[N+1, C]`
    tokens: Vec<f32>,
    /// `[L, P·P·3]`
    painted: Option<Vec<f32>>,
}

impl Question {
    /// Reads it; none of a file that has none.
    pub(crate) fn read(bundle: &Bundle) -> Option<Self> {
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

    /// Whether there is an answer for painted values.
    pub(crate) fn is_painted(&self) -> bool {
        self.painted.is_some()
    }

    /// Relative error of tokens.
    pub(crate) fn tokens_error(&self, got: &[f32]) -> f64 {
        rms(got, &self.tokens) / mean_square(self.tokens.iter().copied()).sqrt()
    }

    /// What painted values are off by: the right answer may have next to no contrast, so this is held against a normalized
    /// value's size, 1.
    pub(crate) fn painted_error(&self, got: &[f32]) -> Option<f64> {
        self.painted.as_ref().map(|painted| rms(got, painted))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_off_or_no_number_is_wrong() {
        let golden = |tokens, painted| Golden { tokens, painted, limits: [0.1, 0.2] };
        assert!(golden(0.1, None).is_right() && golden(0.1, Some(0.2)).is_right());
        assert!(!golden(0.2, None).is_right() && !golden(0.1, Some(0.3)).is_right());
        assert!(!golden(f64::NAN, None).is_right() && !golden(0.1, Some(f64::NAN)).is_right());
        assert!(rms(&[1.0], &[1.0, 2.0]).is_nan());
    }
}
