//! Scaled dot-product attention and its gradient, head by head.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView3, ArrayView4, ArrayViewMut2, ArrayViewMut3, ArrayViewMut4, s};
use pulp::Arch;

use super::math::{exp, sum};

/// Sizes of an attention's input.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Pictures.
    pub b: usize,
    /// Tokens of each.
    pub t: usize,
    /// Width.
    pub c: usize,
    /// Heads, which share the width.
    pub heads: usize,
}

impl Shape {
    /// `[B, T, 3, C]`: queries, keys, values.
    fn parts<'a>(&self, qkv: &'a [f32]) -> ArrayView4<'a, f32> {
        let Self { b, t, c, .. } = *self;
        #[expect(clippy::expect_used, reason = "the caller took the sizes from this very tensor")]
        ArrayView4::from_shape([b, t, 3, c], qkv).expect("queries, keys and values of that shape")
    }

    /// Columns of a head.
    fn columns(&self, head: usize) -> ndarray::Slice {
        let d = self.c / self.heads;
        (head * d..(head + 1) * d).into()
    }

    fn scale(&self) -> f32 {
        ((self.c / self.heads) as f32).sqrt().recip()
    }
}

/// # Shapes
/// - `qkv`: `[B, T, 3·C]`
/// - returns `[B, T, C]`
///
/// # Panics
/// When the slice is not of that shape.
#[must_use]
pub fn forward(qkv: &[f32], shape: Shape) -> Vec<f32> {
    let Shape { b, t, c, heads } = shape;
    let mut mixed = vec![0.0; b * t * c];
    let parts = shape.parts(qkv);
    let mut out = mixed_mut(&mut mixed, shape);
    let mut weights = Array2::zeros([t, t]);
    for picture in 0..b {
        for head in 0..heads {
            let columns = shape.columns(head);
            attend(&parts, picture, columns, shape.scale(), &mut weights);
            let v = parts.slice(s![picture, .., 2, columns]);
            general_mat_mul(1.0, &weights, &v, 0.0, &mut out.slice_mut(s![picture, .., columns]));
        }
    }
    mixed
}

/// # Shapes
/// - `qkv`: `[B, T, 3·C]`
/// - `grad`: `[B, T, C]`
/// - returns `[B, T, 3·C]`
///
/// # Panics
/// When a slice is not of its shape.
#[must_use]
pub fn backward(qkv: &[f32], grad: &[f32], shape: Shape) -> Vec<f32> {
    let Shape { b, t, c, heads } = shape;
    let mut found = vec![0.0; b * t * 3 * c];
    let parts = shape.parts(qkv);
    #[expect(clippy::expect_used, reason = "the gradient has the shape of the answer")]
    let grad = ArrayView3::from_shape([b, t, c], grad).expect("a gradient of that shape");
    #[expect(clippy::expect_used, reason = "made with that length above")]
    let mut out = ArrayViewMut4::from_shape([b, t, 3, c], &mut found).expect("room of that shape");
    let (mut weights, mut along) = (Array2::zeros([t, t]), Array2::zeros([t, t]));
    let scale = shape.scale();
    for picture in 0..b {
        for head in 0..heads {
            let columns = shape.columns(head);
            attend(&parts, picture, columns, scale, &mut weights);
            let part = |i: usize| parts.slice(s![picture, .., i, columns]);
            let (q, k, v, grad) = (part(0), part(1), part(2), grad.slice(s![picture, .., columns]));
            let mut put = |i: usize, scale: f32, a: &ndarray::ArrayView2<f32>, b: &ndarray::ArrayView2<f32>| {
                let mut place: ArrayViewMut2<f32> = out.slice_mut(s![picture, .., i, columns]);
                general_mat_mul(scale, a, b, 0.0, &mut place);
            };
            put(2, 1.0, &weights.t(), &grad);
            general_mat_mul(1.0, &grad, &v.t(), 0.0, &mut along);
            through_softmax(&mut along, &weights);
            put(0, scale, &along.view(), &k);
            put(1, scale, &along.t(), &q);
        }
    }
    found
}

/// The weights with which a head's tokens look at each other: `softmax(q·kᵀ·scale)`, into `weights`.
fn attend(parts: &ArrayView4<f32>, picture: usize, columns: ndarray::Slice, scale: f32, weights: &mut Array2<f32>) {
    let (q, k) = (parts.slice(s![picture, .., 0, columns]), parts.slice(s![picture, .., 1, columns]));
    general_mat_mul(scale, &q, &k.t(), 0.0, weights);
    let t = weights.ncols();
    let Some(values) = weights.as_slice_mut() else { return };
    Arch::new().dispatch(|| {
        for row in values.chunks_exact_mut(t) {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for v in row.iter_mut() {
                *v = exp(*v - most);
            }
            let share = 1.0 / sum(t, |i| row[i]);
            for v in row.iter_mut() {
                *v *= share;
            }
        }
    });
}

/// From the gradient of the weights to that of what the softmax was taken of.
fn through_softmax(grad: &mut Array2<f32>, weights: &Array2<f32>) {
    let t = weights.ncols();
    let (Some(grad), Some(weights)) = (grad.as_slice_mut(), weights.as_slice()) else { return };
    Arch::new().dispatch(|| {
        for (grad, weights) in grad.chunks_exact_mut(t).zip(weights.chunks_exact(t)) {
            let along = sum(t, |i| grad[i] * weights[i]);
            for (grad, weight) in grad.iter_mut().zip(weights) {
                *grad = (*grad - along) * weight;
            }
        }
    });
}

fn mixed_mut(mixed: &mut [f32], Shape { b, t, c, .. }: Shape) -> ArrayViewMut3<'_, f32> {
    #[expect(clippy::expect_used, reason = "made with that length by the caller")]
    ArrayViewMut3::from_shape([b, t, c], mixed).expect("room of that shape")
}
