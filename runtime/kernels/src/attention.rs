//! Scaled dot-product attention of one head.
//!
//! A few vectors of queries at a time look at all tokens. Their scores stand token by token, a query in each lane: so
//! softmax needs no sum across lanes, and the weights lie as the product with the values reads them. All of it stays in a
//! core's own cache.

use ndarray::ArrayViewMut2;
use pulp::{Arch, Simd, WithSimd};

use crate::math;
use crate::product::{Matrix, pack, pack_panels};

/// Tokens of a tile of scores, where there are 32 vector registers and where there are 16.
const TOKENS: [usize; 2] = [12, 6];
/// Queries of a tile of the answer, where vectors are long, where they are not, and where there are none. A vector holds a
/// whole number of them.
const QUERIES: [usize; 3] = [8, 4, 1];
/// Vectors side by side in a tile.
const VECTORS: usize = 2;
/// Values in a vector of the machines with 32 registers: of x86's, and of ARM's.
const LONG_VECTOR: usize = 16;
const ARM_VECTOR: usize = 4;
/// Most values in a row of a tile.
const WIDEST: usize = VECTORS * 16;

/// Queries, keys and values of several heads.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    queries: Side<'a>,
    keys: Side<'a>,
    values: Side<'a>,
    /// `T`
    tokens: usize,
    /// `d`
    head_width: usize,
    count: usize,
}

/// The queries, the keys or the values.
#[derive(Clone, Copy, Debug)]
struct Side<'a> {
    values: &'a [f32],
    /// From a row to the next one, and from a head to the next one.
    steps: [usize; 2],
    /// A head is `[d, T]`, not `[T, d]`.
    transposed: bool,
}

impl<'a> Heads<'a> {
    /// Queries, keys and values side by side in rows, each of them head by head. None if the slice is not of that shape, or
    /// the heads do not share the width evenly.
    ///
    /// # Shapes
    /// - `qkv`: `[T, 3·C]`
    #[must_use]
    pub fn side_by_side(qkv: &'a [f32], width: usize, count: usize) -> Option<Self> {
        let tokens = qkv.len().checked_div(3 * width)?;
        let fits = count > 0 && width.is_multiple_of(count) && qkv.len() == tokens * 3 * width;
        let head_width = width.checked_div(count)?;
        // of no tokens there are no sides either
        let side = |at: usize| Side {
            values: qkv.get(at * width..).unwrap_or(&[]),
            steps: [3 * width, head_width],
            transposed: false,
        };
        fits.then(|| Self { queries: side(0), keys: side(1), values: side(2), tokens, head_width, count })
    }

    /// Head after head, with the keys transposed. None if the slices are not of those shapes.
    ///
    /// # Shapes
    /// - `queries`, `values`: `[count, T, d]`
    /// - `keys`: `[count, d, T]`
    #[must_use]
    pub fn apart(
        [queries, keys, values]: [&'a [f32]; 3],
        count: usize,
        tokens: usize,
        head_width: usize,
    ) -> Option<Self> {
        let len = count * tokens * head_width;
        let fits = count > 0 && head_width > 0 && [queries, keys, values].iter().all(|side| side.len() == len);
        let head = tokens * head_width;
        let side = |values| Side { values, steps: [head_width, head], transposed: false };
        let keys = Side { values: keys, steps: [tokens, head], transposed: true };
        fits.then(|| Self { queries: side(queries), keys, values: side(values), tokens, head_width, count })
    }

    /// `d`
    #[must_use]
    pub const fn head_width(&self) -> usize {
        self.head_width
    }
}

impl<'a> Side<'a> {
    /// A head, `[T, d]`, from a row on, which is the first one of a side that is transposed.
    #[inline(always)]
    fn matrix(&self, head: usize, first: usize) -> Matrix<'a> {
        let [row, apart] = self.steps;
        let matrix = Matrix::new(&self.values[head * apart + first * row..], row);
        if self.transposed { matrix.t() } else { matrix }
    }
}

/// Memory that a call needs for itself, kept from call to call.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    queries: Vec<f32>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
}

/// What some rows of a head make of all tokens: `softmax(q·kᵀ·scale)·v`.
///
/// # Shapes
/// - `first`: of the rows that are asked for
/// - `out`: `[R, d]`, rows without gaps within them: rows `first` to `first + R`
///
/// # Panics
/// When there is no such head, or there are not so many rows.
///
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
pub fn attend(heads: Heads, head: usize, first: usize, scale: f32, scratch: &mut Scratch, out: ArrayViewMut2<f32>) {
    let (rows, d) = out.dim();
    assert!(head < heads.count && first + rows <= heads.tokens && d == heads.head_width, "a head's own rows");
    assert!(out.strides()[1] == 1 || d <= 1, "rows without gaps");
    Arch::new().dispatch(Attend { heads, head, first, scale, scratch, out });
}

struct Attend<'a, 's, 'o> {
    heads: Heads<'a>,
    head: usize,
    first: usize,
    scale: f32,
    scratch: &'s mut Scratch,
    out: ArrayViewMut2<'o, f32>,
}

impl WithSimd for Attend<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES == LONG_VECTOR {
            self.run::<S, { TOKENS[0] }, { QUERIES[0] }>(simd);
        } else if S::F32_LANES == ARM_VECTOR {
            self.run::<S, { TOKENS[0] }, { QUERIES[1] }>(simd);
        } else if S::F32_LANES > QUERIES[1] {
            self.run::<S, { TOKENS[1] }, { QUERIES[1] }>(simd);
        } else {
            self.run::<S, { TOKENS[1] }, { QUERIES[2] }>(simd);
        }
    }
}

impl Attend<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const T: usize, const Q: usize>(self, simd: S) {
        let Self { heads, head, first, scale, scratch, mut out } = self;
        let (t, d) = (heads.tokens, heads.head_width);
        let whole = VECTORS * S::F32_LANES;
        pack::<T>(&mut scratch.keys, [t, d], heads.keys.matrix(head, 0));
        // panels of columns are those of the transpose's rows
        pack_panels(whole, &mut scratch.values, [d, t], heads.values.matrix(head, 0).t());
        let mut top = 0;
        while top < out.nrows() {
            let left = out.nrows() - top;
            let width = if left > S::F32_LANES { whole } else { S::F32_LANES };
            let there = width.min(left);
            pack_panels(width, &mut scratch.queries, [there, d], heads.queries.matrix(head, first + top));
            if left > S::F32_LANES {
                look::<S, T, Q, VECTORS>(simd, [t, d], scale, scratch);
            } else {
                look::<S, T, Q, 1>(simd, [t, d], scale, scratch);
            }
            for i in 0..there {
                let mut out = out.row_mut(top + i);
                let mixed = &scratch.mixed[i * d.next_multiple_of(whole)..][..d];
                out.as_slice_mut().unwrap_or(&mut []).copy_from_slice(mixed);
            }
            top += there;
        }
    }
}

/// What `V` vectors of queries make of all tokens.
///
/// # Shapes
/// - `scratch.queries`: `[d, V·lanes]`
/// - `scratch.keys`: `[⌈T / tokens of a tile⌉, d, tokens of a tile]`
/// - `scratch.values`: `[⌈d / columns⌉, T, columns]`
/// - `scratch.mixed`: `[V·lanes, d]`, its rows as long as all panels of values
#[inline(always)]
fn look<S: Simd, const T: usize, const Q: usize, const V: usize>(
    simd: S,
    [t, d]: [usize; 2],
    scale: f32,
    scratch: &mut Scratch,
) {
    let width = V * S::F32_LANES;
    let columns = VECTORS * S::F32_LANES;
    let stride = d.next_multiple_of(columns);
    let Scratch { keys, values, queries, scores, mixed } = scratch;
    scores.resize(t.next_multiple_of(T) * width, 0.0);
    mixed.resize(width * stride, 0.0);
    // they may be longer, from another call
    let (queries, values) = (&queries[..d * width], &values[..t * stride]);
    let queries = S::as_simd_f32s(queries).0.as_chunks::<V>().0;
    let keys = keys.as_chunks::<T>().0;
    for (keys, scores) in keys.chunks_exact(d).zip(scores.chunks_exact_mut(T * width)) {
        let scores = S::as_mut_simd_f32s(scores).0.as_chunks_mut::<V>().0;
        scores.copy_from_slice(&tile::<S, T, V>(simd, keys, queries));
    }
    let scores = &mut scores[..t * width];
    let mut most = [f32::NEG_INFINITY; WIDEST];
    for row in scores.chunks_exact(width) {
        for (most, &score) in most.iter_mut().zip(row) {
            *most = if score * scale > *most { score * scale } else { *most };
        }
    }
    let mut sums = [0.0f32; WIDEST];
    for row in scores.chunks_exact_mut(width) {
        for ((score, most), sum) in row.iter_mut().zip(&most).zip(&mut sums) {
            *score = math::exp(score.mul_add(scale, -most));
            *sum += *score;
        }
    }
    let values = S::as_simd_f32s(values).0.as_chunks::<VECTORS>().0;
    for (panel, values) in values.chunks_exact(t).enumerate() {
        for query in (0..width).step_by(Q) {
            let weights = scores.chunks_exact(width).map(|row| row[query..].first_chunk::<Q>());
            let tile = weighted::<S, Q>(simd, weights, values);
            for (i, tile) in tile.iter().enumerate() {
                let share = simd.splat_f32s(1.0 / sums[query + i]);
                let place = &mut mixed[(query + i) * stride + panel * columns..][..columns];
                for (place, tile) in S::as_mut_simd_f32s(place).0.iter_mut().zip(tile) {
                    *place = simd.mul_f32s(*tile, share);
                }
            }
        }
    }
}

/// The scores of some tokens.
#[inline(always)]
fn tile<S: Simd, const T: usize, const V: usize>(
    simd: S,
    keys: &[[f32; T]],
    queries: &[[S::f32s; V]],
) -> [[S::f32s; V]; T] {
    let mut sums = [[simd.splat_f32s(0.0); V]; T];
    for (keys, queries) in keys.iter().zip(queries) {
        for i in 0..T {
            let key = simd.splat_f32s(keys[i]);
            for j in 0..V {
                sums[i][j] = simd.mul_add_e_f32s(key, queries[j], sums[i][j]);
            }
        }
    }
    sums
}

/// The values, mixed by the weights of some queries.
#[inline(always)]
fn weighted<'a, S: Simd, const Q: usize>(
    simd: S,
    weights: impl Iterator<Item = Option<&'a [f32; Q]>>,
    values: &[[S::f32s; VECTORS]],
) -> [[S::f32s; VECTORS]; Q] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; Q];
    for (weights, values) in weights.zip(values) {
        let Some(weights) = weights else { break };
        for i in 0..Q {
            let weight = simd.splat_f32s(weights[i]);
            for j in 0..VECTORS {
                sums[i][j] = simd.mul_add_e_f32s(weight, values[j], sums[i][j]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    fn reference(heads: Heads, head: usize, row: usize, scale: f64) -> Vec<f64> {
        let at = |side: Side, row: usize, column: usize| {
            let ([step, apart], place) = (side.steps, if side.transposed { [column, row] } else { [row, column] });
            f64::from(side.values[head * apart + place[0] * step + place[1]])
        };
        let score = |t: usize| -> f64 {
            let pairs = (0..heads.head_width).map(|j| at(heads.queries, row, j) * at(heads.keys, t, j));
            pairs.sum::<f64>() * scale
        };
        let scores: Vec<f64> = (0..heads.tokens).map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mixed = |j: usize| {
            let values = (0..heads.tokens).map(|t| at(heads.values, t, j));
            values.zip(&weights).map(|(value, weight)| value * weight / sum).sum()
        };
        (0..heads.head_width).map(mixed).collect()
    }

    #[test]
    fn it_is_its_formula_however_rows_are_split() {
        let mut scratch = Scratch::default();
        for [t, heads, d] in [[1, 1, 1], [2, 3, 4], [5, 1, 33], [12, 2, 16], [33, 2, 40], [50, 1, 64], [77, 3, 8]] {
            let c = heads * d;
            let qkv: Vec<f32> = (0..t * 3 * c).map(|i| (i as f32 * 0.731).sin() * 2.0).collect();
            let input = Heads::side_by_side(&qkv, c, heads).unwrap();
            let scale = 1.0 / (d as f32).sqrt();
            for head in 0..heads {
                let mut whole = Array2::from_elem((t, d), f32::NAN);
                attend(input, head, 0, scale, &mut scratch, whole.view_mut());
                for (row, found) in whole.outer_iter().enumerate() {
                    let wanted = reference(input, head, row, f64::from(scale));
                    let mut pairs = found.iter().zip(&wanted);
                    assert!(pairs.all(|(f, w)| (f64::from(*f) - w).abs() < 2e-6), "{t} {heads} {d}");
                }
                let mut parts = Array2::zeros((t, d));
                for (from, to) in [(0, t / 3), (t / 3, t)] {
                    attend(input, head, from, scale, &mut scratch, parts.slice_mut(s![from..to, ..]));
                }
                assert_eq!(parts, whole);
            }
        }
    }

    #[test]
    fn what_is_no_input_is_none() {
        assert!(Heads::side_by_side(&[0.0; 12], 4, 2).is_some());
        assert!(Heads::side_by_side(&[0.0; 12], 4, 3).is_none());
        assert!(Heads::side_by_side(&[0.0; 13], 4, 2).is_none());
        assert!(Heads::side_by_side(&[0.0; 12], 0, 1).is_none());
        assert!(Heads::side_by_side(&[0.0; 12], 4, 0).is_none());
    }
}
