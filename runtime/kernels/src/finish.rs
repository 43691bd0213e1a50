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

/// Finishes some columns of a row, from `left` on.
#[inline(always)]
pub(crate) fn finished(finish: Finish, row: usize, left: usize, out: &mut [f32]) {
    if finish.gelu {
        for out in out.iter_mut() {
            *out = math::gelu(*out);
        }
    }
    if let Some(residual) = finish.residual {
        let residual = residual.row(row, left..left + out.len());
        for (out, residual) in out.iter_mut().zip(residual) {
            *out += residual;
        }
    }
}
