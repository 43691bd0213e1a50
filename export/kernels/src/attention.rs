//! Scaled dot-product attention and its gradient, head by head.

use glimpse_kernels::math::{exp, sum};
use glimpse_kernels::product::{Finish, Matrix, product_into};
use glimpse_kernels::vectorized::vectorized;

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
    /// Where a head's columns begin in a picture's first row, and the same in a row of queries, keys and values.
    fn places(&self, picture: usize, head: usize) -> (usize, [usize; 3]) {
        let column = head * (self.c / self.heads);
        let first = picture * self.t * self.c + column;
        (first, [0, 1, 2].map(|part| picture * self.t * 3 * self.c + part * self.c + column))
    }

    /// Columns of a head.
    fn width(&self) -> usize {
        self.c / self.heads
    }

    fn scale(&self) -> f32 {
        (self.width() as f32).sqrt().recip()
    }

    /// Pictures and heads, one after the other.
    fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        let heads = self.heads;
        (0..self.b).flat_map(move |picture| (0..heads).map(move |head| (picture, head)))
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
    let Shape { b, t, c, .. } = shape;
    let mut mixed = vec![0.0; b * t * c];
    let mut weights = vec![0.0; t * t];
    for (picture, head) in shape.each() {
        let (first, [q, k, v]) = shape.places(picture, head);
        let part = |first: usize| Matrix::new(&qkv[first..], 3 * c);
        attend([part(q), part(k)], shape, &mut weights);
        let weights = Matrix::new(&weights, t);
        product_into([t, t, shape.width()], weights, part(v), Finish::Scale(1.0), &mut mixed[first..], c);
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
    let Shape { b, t, c, .. } = shape;
    let (d, scale) = (shape.width(), shape.scale());
    let mut found = vec![0.0; b * t * 3 * c];
    let (mut weights, mut along) = (vec![0.0; t * t], vec![0.0; t * t]);
    for (picture, head) in shape.each() {
        let (first, [to_q, to_k, to_v]) = shape.places(picture, head);
        let [q, k, v] = [to_q, to_k, to_v].map(|first| Matrix::new(&qkv[first..], 3 * c));
        let grad = Matrix::new(&grad[first..], c);
        attend([q, k], shape, &mut weights);
        product_into([t, d, t], grad, v.t(), Finish::Scale(1.0), &mut along, t);
        through_softmax(&mut along, &weights, t);
        let (weights, along) = (Matrix::new(&weights, t), Matrix::new(&along, t));
        for (left, right, scale, place) in
            [(along, k, scale, to_q), (along.t(), q, scale, to_k), (weights.t(), grad, 1.0, to_v)]
        {
            product_into([t, t, d], left, right, Finish::Scale(scale), &mut found[place..], 3 * c);
        }
    }
    found
}

/// The weights with which a head's tokens look at each other: `softmax(q·kᵀ·scale)`, into `weights`.
///
/// # Shapes
/// - `q`, `k`: `[T, d]`
/// - `weights`: `[T, T]`
fn attend([q, k]: [Matrix; 2], shape: Shape, weights: &mut [f32]) {
    let (t, d) = (shape.t, shape.width());
    product_into([t, d, t], q, k.t(), Finish::Scale(shape.scale()), weights, t);
    vectorized(
        #[inline(always)]
        || {
            for row in weights.chunks_exact_mut(t) {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                for v in row.iter_mut() {
                    *v = exp(*v - most);
                }
                let share = 1.0 / sum(t, |i| row[i]);
                for v in row.iter_mut() {
                    *v *= share;
                }
            }
        },
    );
}

/// From the gradient of the weights to that of what the softmax was taken of.
///
/// # Shapes
/// - `grad`, `weights`: `[T, T]`
fn through_softmax(grad: &mut [f32], weights: &[f32], t: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (grad, weights) in grad.chunks_exact_mut(t).zip(weights.chunks_exact(t)) {
                let along = sum(t, |i| grad[i] * weights[i]);
                for (grad, weight) in grad.iter_mut().zip(weights) {
                    *grad = (*grad - along) * weight;
                }
            }
        },
    );
}
