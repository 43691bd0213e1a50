//! The walk over tiles, and what becomes of a tile's sums.

use ndarray::ArrayViewMut2;

use super::dot::{self, Dot};
use super::rows::{self, Row};
use super::weights::Weights;
use crate::finish::{Finish, Rows};

/// Most rows that go through one panel after the other: few enough for their bytes to stay in a core's own cache, many
/// enough for the weights to be read seldom.
const BLOCK_ROWS: usize = 104;

/// Memory that a call needs for itself, kept from call to call.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(super) bytes: Vec<u8>,
    #[cfg(target_arch = "x86_64")]
    pub(super) words: Vec<i16>,
    pub(super) sums: Vec<i32>,
    rows: Vec<Row>,
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
    assert!(first.is_multiple_of(weights.panel_columns()), "panels are not split");
    assert!(first + n <= weights.outputs, "no more columns than there are");
    dot::run(weights.family, Job { x, weights, first, finish, scratch, out });
}

/// A call.
pub(super) struct Job<'a, 'o> {
    x: Rows<'a>,
    weights: &'a Weights,
    first: usize,
    finish: Finish<'a>,
    scratch: &'a mut Scratch,
    out: ArrayViewMut2<'o, f32>,
}

/// Does the work, compiled anew into each family's code.
#[inline(always)]
pub(super) fn walk<D: Dot>(job: Job) {
    let Job { x, weights, first, finish, scratch, mut out } = job;
    let (m, n) = out.dim();
    let depth = weights.inputs.next_multiple_of(D::LAYOUT.group);
    let columns = D::LAYOUT.columns;
    let Scratch { rows, sums, .. } = scratch;
    let (mut rows, mut sums) = (std::mem::take(rows), std::mem::take(sums));
    let mut values = D::take(scratch);
    // blocks are even, so that none is left with few rows to read all weights for
    let block = m.div_ceil(m.div_ceil(BLOCK_ROWS).max(1)).next_multiple_of(D::LAYOUT.rows);
    values.resize(block * depth, D::value(0));
    sums.resize(block * columns, 0);
    rows.resize(block, Row::default());
    for top in (0..m).step_by(block) {
        let there = block.min(m - top);
        for (i, values) in values.chunks_exact_mut(depth).enumerate().take(there) {
            rows[i] = rows::quantize(x.row(top + i, 0..weights.inputs), values, D::value);
        }
        for (panel, left) in (0..n).step_by(columns).enumerate() {
            let at = first / columns + panel;
            let dots = &weights.panels[at * columns * depth..][..columns * depth];
            let width = columns.min(n - left);
            let place = first + left..first + left + width;
            let [scale, bias] = [&weights.scale, &weights.bias].map(|values| &values[place.clone()]);
            let column_sums = &weights.sums[place];
            for tile in (0..there).step_by(D::LAYOUT.rows) {
                let count = D::LAYOUT.rows.min(there - tile);
                D::dot(
                    count,
                    &values[tile * depth..(tile + count) * depth],
                    depth,
                    dots,
                    &mut sums[tile * columns..(tile + D::LAYOUT.rows) * columns],
                );
            }
            for (i, sums) in sums.chunks_exact(columns).enumerate().take(there) {
                let mut out = out.row_mut(top + i);
                let out = &mut out.as_slice_mut().unwrap_or(&mut [])[left..left + width];
                let sums = scaled(sums, rows[i], D::SHIFT, column_sums, scale, bias);
                finish.row(sums, top + i, left, out);
            }
        }
    }
    D::give_back(scratch, values);
    scratch.rows = rows;
    scratch.sums = sums;
}

/// What a row of sums stands for. `shift` is what the row's bytes had lost.
#[inline(always)]
fn scaled(
    sums: &[i32],
    row: Row,
    shift: i32,
    column_sums: &[i32],
    scale: &[f32],
    bias: &[f32],
) -> impl Iterator<Item = f32> {
    // no sum comes near the ends of an i32 (`MOST_INPUTS`); checks of it would keep this from being vector code
    let zero = row.zero.wrapping_sub(shift);
    let columns = sums.iter().zip(column_sums).zip(scale).zip(bias);
    columns.map(move |(((sum, column_sum), scale), bias)| {
        (sum.wrapping_sub(zero.wrapping_mul(*column_sum)) as f32 * row.scale).mul_add(*scale, *bias)
    })
}
