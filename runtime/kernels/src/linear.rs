//! A linear layer with f32 weights, packed once.

use std::ops::RangeInclusive;

use ndarray::ArrayViewMut2;
use pulp::{Arch, Simd, WithSimd};

use crate::finish::{Finish, Rows};
use crate::product::{BLOCK_ROWS, LONG_VECTOR, Matrix, VECTORS, WIDEST, pack, pack_panels, tile};

/// Heights of tiles where there are 32 vector registers of this length, and where there are fewer.
const TALL: RangeInclusive<usize> = 8..=12;
const LOW: RangeInclusive<usize> = 4..=6;

/// The weights of a linear layer, with its bias.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `K`
    inputs: usize,
    /// `N`
    outputs: usize,
    /// Columns of a panel.
    columns: usize,
    panels: Vec<f32>,
    /// `[N]`, and zeros to the end of the last panel
    bias: Vec<f32>,
}

impl Weights {
    /// Packs weights for this machine. None if the layer is empty, or a slice is not of its shape.
    ///
    /// # Shapes
    /// - `weights`: `[K, N]`
    /// - `bias`: `[N]`, or empty
    #[must_use]
    pub fn pack(inputs: usize, weights: &[f32], bias: &[f32]) -> Option<Self> {
        let outputs = weights.len().checked_div(inputs)?;
        let fits = outputs > 0 && weights.len() == inputs * outputs && [0, outputs].contains(&bias.len());
        fits.then(|| Arch::new().dispatch(Pack { inputs, outputs, weights, bias }))
    }

    /// `K`
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// `N`
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of a panel: work is split between threads at multiples of it.
    #[must_use]
    pub const fn panel_columns(&self) -> usize {
        self.columns
    }
}

struct Pack<'a> {
    inputs: usize,
    outputs: usize,
    weights: &'a [f32],
    bias: &'a [f32],
}

impl WithSimd for Pack<'_> {
    type Output = Weights;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Weights {
        let Self { inputs, outputs, weights, bias } = self;
        let columns = VECTORS * S::F32_LANES;
        let mut panels = Vec::new();
        // panels of columns are those of the transpose's rows
        pack_panels(columns, &mut panels, [outputs, inputs], Matrix::new(weights, outputs).t());
        let mut bias = bias.to_vec();
        bias.resize(outputs.next_multiple_of(columns), 0.0);
        Weights { inputs, outputs, columns, panels, bias }
    }
}

/// Memory that a call needs for itself, kept from call to call.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    rows: Vec<f32>,
}

/// Some columns of `x·W + b`, finished.
///
/// Rows may be split between calls at will, columns at multiples of [`Weights::panel_columns`].
///
/// # Shapes
/// - `x`: `[M, K]`
/// - `first`: of the columns that are asked for
/// - `out`: `[M, n]`, rows without gaps within them: columns `first` to `first + n`
///
/// # Panics
/// When a matrix is not of its shape.
pub fn linear(
    x: Rows,
    weights: &Weights,
    first: usize,
    finish: Finish,
    scratch: &mut Scratch,
    out: ArrayViewMut2<f32>,
) {
    if out.is_empty() {
        return;
    }
    let n = out.ncols();
    assert!(out.strides()[1] == 1 || n <= 1, "rows without gaps");
    assert!(first.is_multiple_of(weights.columns), "panels are not split");
    assert!(first + n <= weights.outputs, "no more columns than there are");
    Arch::new().dispatch(Job { x, weights, first, finish, scratch, out });
}

struct Job<'a, 'o> {
    x: Rows<'a>,
    weights: &'a Weights,
    first: usize,
    finish: Finish<'a>,
    scratch: &'a mut Scratch,
    out: ArrayViewMut2<'o, f32>,
}

impl WithSimd for Job<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let m = self.out.nrows();
        if S::F32_LANES == LONG_VECTOR {
            match fitting(m, TALL) {
                8 => self.run::<S, 8>(simd),
                9 => self.run::<S, 9>(simd),
                10 => self.run::<S, 10>(simd),
                11 => self.run::<S, 11>(simd),
                _ => self.run::<S, 12>(simd),
            }
        } else {
            match fitting(m, LOW) {
                4 => self.run::<S, 4>(simd),
                5 => self.run::<S, 5>(simd),
                _ => self.run::<S, 6>(simd),
            }
        }
    }
}

/// The height of a tile, among those given, that leaves the fewest of its rows unused; the tallest of several.
fn fitting(rows: usize, heights: RangeInclusive<usize>) -> usize {
    heights.rev().min_by_key(|height| rows.next_multiple_of(*height)).unwrap_or(1)
}

impl Job<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let Self { x, weights, first, finish, scratch, mut out } = self;
        let (m, n) = out.dim();
        let (k, columns) = (weights.inputs, VECTORS * S::F32_LANES);
        let panels = S::as_simd_f32s(&weights.panels).0.as_chunks::<VECTORS>().0;
        // blocks are even, and of whole tiles
        let block = m.div_ceil(m.div_ceil(BLOCK_ROWS).max(1)).next_multiple_of(R);
        for top in (0..m).step_by(block) {
            let there = block.min(m - top);
            pack::<R>(&mut scratch.rows, [there, k], x.matrix(top));
            let rows = scratch.rows.as_chunks::<R>().0;
            for (panel, left) in (0..n).step_by(columns).enumerate() {
                let at = first / columns + panel;
                let panel = &panels[at * k..][..k];
                let width = columns.min(n - left);
                let bias = &weights.bias[first + left..][..width];
                for (rows, row) in rows.chunks_exact(k).zip((0..there).step_by(R)) {
                    let tile = tile::<S, R>(simd, rows, panel);
                    for (i, tile) in tile.iter().enumerate().take(there - row) {
                        let mut values = [0.0; WIDEST];
                        for (place, sums) in S::as_mut_simd_f32s(&mut values).0.iter_mut().zip(tile) {
                            *place = *sums;
                        }
                        let mut out = out.row_mut(top + row + i);
                        let out = &mut out.as_slice_mut().unwrap_or(&mut [])[left..left + width];
                        let values = values.iter().zip(bias).map(|(sum, bias)| sum + bias);
                        finish.row(values, top + row + i, left, out);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};

    use super::*;
    use crate::math;

    fn wave(len: usize, phase: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.37 + phase).sin()).collect()
    }

    #[test]
    fn it_is_its_formula_however_the_work_is_split() {
        let mut scratch = Scratch::default();
        for [m, k, n] in [[0, 16, 32], [1, 1, 1], [5, 3, 17], [12, 16, 32], [13, 33, 70], [97, 20, 33], [200, 7, 64]] {
            let (x, w, b, r) = (wave(m * k, 0.1), wave(k * n, 0.7), wave(n, 0.4), wave(m * n, 0.9));
            for (bias, gelu, residual) in [(&b[..], true, true), (&[], false, true), (&b, false, false)] {
                let weights = Weights::pack(k, &w, bias).unwrap();
                let finish = Finish { gelu, residual: residual.then(|| Rows::new(&r, n)) };
                let mut whole = Array2::from_elem((m, n), f32::NAN);
                linear(Rows::new(&x, k), &weights, 0, finish, &mut scratch, whole.view_mut());
                for ((i, j), &found) in whole.indexed_iter() {
                    let sum: f64 = (0..k).map(|at| f64::from(x[i * k + at]) * f64::from(w[at * n + j])).sum();
                    let sum = sum + f64::from(bias.get(j).copied().unwrap_or(0.0));
                    let sum = if gelu { sum * f64::from(math::normal(sum as f32).0) } else { sum };
                    let wanted = sum + if residual { f64::from(r[i * n + j]) } else { 0.0 };
                    assert!((f64::from(found) - wanted).abs() < 1e-5, "{m} {k} {n}: {found} {wanted}");
                }
                let mut parts = Array2::zeros((m, n));
                let (row, column) = (m / 3, weights.panel_columns().min(n));
                let (above, below) = parts.view_mut().split_at(Axis(0), row);
                for (row, rows) in [(0, above), (row, below)] {
                    let (left, right) = rows.split_at(Axis(1), column);
                    for (column, out) in [(0, left), (column, right)] {
                        if out.is_empty() {
                            continue;
                        }
                        let residual = residual.then(|| Rows::new(&r[row * n + column..], n));
                        let finish = Finish { gelu, residual };
                        linear(Rows::new(&x[row * k..], k), &weights, column, finish, &mut scratch, out);
                    }
                }
                assert_eq!(parts, whole, "{m} {k} {n}");
            }
        }
    }

    #[test]
    fn tiles_fit_the_rows() {
        assert_eq!([50, 197, 65, 12, 1, 96].map(|rows| fitting(rows, TALL)), [10, 11, 11, 12, 8, 12]);
        assert_eq!([50, 197, 8].map(|rows| fitting(rows, LOW)), [5, 6, 4]);
    }

    #[test]
    fn what_is_no_layer_is_not_packed() {
        assert!(Weights::pack(2, &[1.0; 6], &[0.0; 3]).is_some());
        assert!(Weights::pack(2, &[1.0; 6], &[]).is_some());
        assert!(Weights::pack(0, &[], &[]).is_none());
        assert!(Weights::pack(2, &[], &[]).is_none());
        assert!(Weights::pack(4, &[1.0; 6], &[]).is_none());
        assert!(Weights::pack(2, &[1.0; 6], &[0.0]).is_none());
    }
}
