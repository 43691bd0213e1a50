//! What becomes of a linear layer's answer while it is warm.

use crate::math;
use crate::product::Matrix;

/// A matrix that lies in memory row by row.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows that begin `stride` values apart.
    #[must_use]
    pub const fn new(values: &'a [f32], stride: usize) -> Self {
        Self { values, stride }
    }

    /// The rows from `top` on.
    pub(crate) fn matrix(&self, top: usize) -> Matrix<'a> {
        Matrix::new(&self.values[top * self.stride..], self.stride)
    }

    /// Some columns of a row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize, columns: std::ops::Range<usize>) -> &'a [f32] {
        &self.values[row * self.stride..][columns]
    }
}

/// What becomes of a layer's answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// It goes through GELU.
    pub gelu: bool,
    /// This is added to it, after GELU: `[M, n]`, of the same columns as the answer.
    pub residual: Option<Rows<'a>>,
}

impl Finish<'_> {
    /// Finishes some columns of a row, from `left` on, and writes them: once, since that may be far from the CPU.
    #[inline(always)]
    pub(crate) fn row(&self, values: impl Iterator<Item = f32>, row: usize, left: usize, out: &mut [f32]) {
        let residual = self.residual.map(|residual| residual.row(row, left..left + out.len()));
        let places = out.iter_mut().zip(values);
        match (self.gelu, residual) {
            (false, None) => places.for_each(|(place, value)| *place = value),
            (true, None) => places.for_each(|(place, value)| *place = math::gelu(value)),
            (false, Some(residual)) => places.zip(residual).for_each(|((place, value), r)| *place = value + r),
            (true, Some(residual)) => {
                places.zip(residual).for_each(|((place, value), r)| *place = math::gelu(value) + r);
            }
        }
    }
}
