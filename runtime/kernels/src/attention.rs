//! Scaled dot-product attention of one head.
//!
//! A few vectors of queries at a time look at all tokens. Their scores stand token by token, a query in each lane: so
//! softmax needs no sum across lanes, and the weights lie as the product with the values reads them. All of it stays in a
//! core's own cache.

use ndarray::ArrayViewMut2;
use pulp::{Arch, Simd, WithSimd};

use crate::math;

/// Tokens of a tile of scores, where there are 32 vector registers and where there are 16.
const TOKENS: [usize; 2] = [12, 6];
/// Queries of a tile of the answer, of which a vector holds a whole number of them or one.
const QUERIES: usize = 4;
/// Vectors side by side in a tile.
const VECTORS: usize = 2;
/// Values in a vector of the machines with 32 registers: of x86, and of ARM.
const MANY_REGISTERS: [usize; 2] = [16, 4];
/// Most values in a row of a tile.
const WIDEST: usize = VECTORS * 16;

/// Queries, keys and values side by side, each of them head by head.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    qkv: &'a [f32],
    /// `T`
    tokens: usize,
    /// `C`
    width: usize,
    count: usize,
}

impl<'a> Heads<'a> {
    /// None if the slice is not of that shape, or the heads do not share the width evenly.
    ///
    /// # Shapes
    /// - `qkv`: `[T, 3·C]`
    #[must_use]
    pub fn new(qkv: &'a [f32], width: usize, count: usize) -> Option<Self> {
        let tokens = qkv.len().checked_div(3 * width)?;
        let fits = count > 0 && width.is_multiple_of(count) && qkv.len() == tokens * 3 * width;
        fits.then_some(Self { qkv, tokens, width, count })
    }

    /// Columns of a head.
    #[must_use]
    pub const fn head_width(&self) -> usize {
        self.width / self.count
    }

    /// A part (0: queries, 1: keys, 2: values) of a head, from a row on.
    #[inline(always)]
    fn row(&self, part: usize, head: usize, row: usize) -> &'a [f32] {
        &self.qkv[row * 3 * self.width + part * self.width + head * self.head_width()..][..self.head_width()]
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
    assert!(head < heads.count && first + rows <= heads.tokens && d == heads.head_width(), "a head's own rows");
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
        if MANY_REGISTERS.contains(&S::F32_LANES) {
            self.run::<S, { TOKENS[0] }>(simd);
        } else {
            self.run::<S, { TOKENS[1] }>(simd);
        }
    }
}

impl Attend<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const T: usize>(self, simd: S) {
        let Self { heads, head, first, scale, scratch, mut out } = self;
        let (t, d) = (heads.tokens, heads.head_width());
        let Scratch { keys, values, .. } = &mut *scratch;
        pack_keys::<T>(heads, head, keys);
        pack_values(heads, head, VECTORS * S::F32_LANES, values);
        let mut top = 0;
        while top < out.nrows() {
            let left = out.nrows() - top;
            let width = if left > S::F32_LANES { VECTORS * S::F32_LANES } else { S::F32_LANES };
            let there = width.min(left);
            let queries = (0..there).map(|i| heads.row(0, head, first + top + i));
            pack_queries(queries, width, d, scale, &mut scratch.queries);
            if left > S::F32_LANES {
                look::<S, T, VECTORS>(simd, t, d, scratch);
            } else {
                look::<S, T, 1>(simd, t, d, scratch);
            }
            for i in 0..there {
                let mut out = out.row_mut(top + i);
                let mixed = &scratch.mixed[i * d.next_multiple_of(VECTORS * S::F32_LANES)..][..d];
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
fn look<S: Simd, const T: usize, const V: usize>(simd: S, t: usize, d: usize, scratch: &mut Scratch) {
    let width = V * S::F32_LANES;
    let columns = VECTORS * S::F32_LANES;
    let stride = d.next_multiple_of(columns);
    let Scratch { keys, values, queries, scores, mixed } = scratch;
    scores.resize(t.next_multiple_of(T) * width, 0.0);
    mixed.resize(width * stride, 0.0);
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
            *most = if score > *most { score } else { *most };
        }
    }
    let mut sums = [0.0f32; WIDEST];
    for row in scores.chunks_exact_mut(width) {
        for ((score, most), sum) in row.iter_mut().zip(&most).zip(&mut sums) {
            *score = math::exp(*score - most);
            *sum += *score;
        }
    }
    let values = S::as_simd_f32s(values).0.as_chunks::<VECTORS>().0;
    for (panel, values) in values.chunks_exact(t).enumerate() {
        for query in (0..width).step_by(QUERIES) {
            let weights = scores.chunks_exact(width).map(|row| row[query..].first_chunk::<QUERIES>());
            let tile = weighted::<S>(simd, weights, values);
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
fn weighted<'a, S: Simd>(
    simd: S,
    weights: impl Iterator<Item = Option<&'a [f32; QUERIES]>>,
    values: &[[S::f32s; VECTORS]],
) -> [[S::f32s; VECTORS]; QUERIES] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; QUERIES];
    for (weights, values) in weights.zip(values) {
        let Some(weights) = weights else { break };
        for i in 0..QUERIES {
            let weight = simd.splat_f32s(weights[i]);
            for j in 0..VECTORS {
                sums[i][j] = simd.mul_add_e_f32s(weight, values[j], sums[i][j]);
            }
        }
    }
    sums
}

/// `[d, width]`, multiplied by the scale; what stands for no query is 0.
#[inline(always)]
fn pack_queries<'a>(
    queries: impl Iterator<Item = &'a [f32]>,
    width: usize,
    d: usize,
    scale: f32,
    packed: &mut Vec<f32>,
) {
    packed.clear();
    packed.resize(d * width, 0.0);
    for (column, query) in queries.enumerate() {
        for (place, value) in packed[column..].iter_mut().step_by(width).zip(query) {
            *place = value * scale;
        }
    }
}

/// `[⌈T / tokens of a tile⌉, d, tokens of a tile]`; what stands for no token is 0.
#[inline(always)]
fn pack_keys<const T: usize>(heads: Heads, head: usize, packed: &mut Vec<f32>) {
    let d = heads.head_width();
    packed.clear();
    packed.resize(heads.tokens.next_multiple_of(T) * d, 0.0);
    for (group, place) in packed.chunks_exact_mut(T * d).enumerate() {
        let place = place.as_chunks_mut::<T>().0;
        for column in 0..T.min(heads.tokens - group * T) {
            for (place, key) in place.iter_mut().zip(heads.row(1, head, group * T + column)) {
                place[column] = *key;
            }
        }
    }
}

/// `[⌈d / columns⌉, T, columns]`; columns beyond the last one are 0.
#[inline(always)]
fn pack_values(heads: Heads, head: usize, columns: usize, packed: &mut Vec<f32>) {
    let d = heads.head_width();
    packed.clear();
    packed.resize(d.next_multiple_of(columns) * heads.tokens, 0.0);
    for (panel, left) in packed.chunks_exact_mut(columns * heads.tokens).zip((0..d).step_by(columns)) {
        let width = columns.min(d - left);
        for (token, place) in panel.chunks_exact_mut(columns).enumerate() {
            place[..width].copy_from_slice(&heads.row(2, head, token)[left..left + width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    fn reference(heads: Heads, head: usize, row: usize, scale: f64) -> Vec<f64> {
        let score = |t: usize| -> f64 {
            let pairs = heads.row(0, head, row).iter().zip(heads.row(1, head, t));
            pairs.map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>() * scale
        };
        let scores: Vec<f64> = (0..heads.tokens).map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mixed = |j: usize| {
            let values = (0..heads.tokens).map(|t| f64::from(heads.row(2, head, t)[j]));
            values.zip(&weights).map(|(value, weight)| value * weight / sum).sum()
        };
        (0..heads.head_width()).map(mixed).collect()
    }

    #[test]
    fn it_is_its_formula_however_rows_are_split() {
        let mut scratch = Scratch::default();
        for [t, heads, d] in [[1, 1, 1], [2, 3, 4], [5, 1, 33], [12, 2, 16], [33, 2, 40], [50, 1, 64], [77, 3, 8]] {
            let c = heads * d;
            let qkv: Vec<f32> = (0..t * 3 * c).map(|i| (i as f32 * 0.731).sin() * 2.0).collect();
            let input = Heads::new(&qkv, c, heads).unwrap();
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
        assert!(Heads::new(&[0.0; 12], 4, 2).is_some());
        assert!(Heads::new(&[0.0; 12], 4, 3).is_none());
        assert!(Heads::new(&[0.0; 13], 4, 2).is_none());
        assert!(Heads::new(&[0.0; 12], 0, 1).is_none());
        assert!(Heads::new(&[0.0; 12], 4, 0).is_none());
    }
}
