//! Matrix products in f32, for matrices of some hundred rows and columns on one core.
//!
//! A tile of the answer stays in registers while it is summed up: `TILE_ROWS` rows by `VECTORS` vectors. Both matrices
//! are packed into panels as wide as a tile, so that a tile reads them from front to back.

use std::cell::RefCell;

use pulp::{Arch, Simd, WithSimd};

/// Vectors side by side in a tile.
pub(crate) const VECTORS: usize = 2;
/// Rows of a tile where there are 16 vector registers, and where there are 32.
const TILE_ROWS: [usize; 2] = [6, 12];
/// Values in a vector of the machines with 32 registers that have vectors this long.
pub(crate) const LONG_VECTOR: usize = 16;
/// Most values in a row of a tile.
pub(crate) const WIDEST: usize = VECTORS * LONG_VECTOR;
/// Rows that are multiplied with one panel after the other: few enough for them to stay in a core's own cache.
pub(crate) const BLOCK_ROWS: usize = 96;
/// Columns that are transposed at a time.
const AT_ONCE: usize = 8;

/// A matrix that lies in memory row by row, or its transpose.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    stride: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// Rows that begin `stride` values apart.
    #[must_use]
    pub fn new(values: &'a [f32], stride: usize) -> Self {
        Self { values, stride, transposed: false }
    }

    /// Its transpose.
    #[must_use]
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }
}

/// What becomes of a product's values.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// They are multiplied by a number.
    Scale(f32),
    /// One number for each column is added.
    Bias(&'a [f32]),
}

/// `a·b` as a matrix of its own.
///
/// # Shapes
/// - `sizes`: M, K, N
/// - `a`: `[M, K]`
/// - `b`: `[K, N]`
/// - returns `[M, N]`
///
/// # Panics
/// When a matrix is smaller than that.
#[must_use]
pub fn product(sizes: [usize; 3], a: Matrix, b: Matrix, finish: Finish) -> Vec<f32> {
    let [m, _, n] = sizes;
    let mut out = vec![0.0; m * n];
    product_into(sizes, a, b, finish, &mut out, n);
    out
}

/// [`product`] into rows of `out` that begin `stride` values apart.
///
/// # Panics
/// When a matrix is smaller than its shape.
pub fn product_into(sizes: [usize; 3], a: Matrix, b: Matrix, finish: Finish, out: &mut [f32], stride: usize) {
    thread_local! {
        static PACKED: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
    }
    let [m, k, n] = sizes;
    if m == 0 || n == 0 {
        return;
    }
    PACKED.with_borrow_mut(|[left, right]| {
        Arch::new().dispatch(Product { m, k, n, a, b, finish, out, stride, left, right });
    });
}

struct Product<'a> {
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'a>,
    b: Matrix<'a>,
    finish: Finish<'a>,
    out: &'a mut [f32],
    stride: usize,
    left: &'a mut Vec<f32>,
    right: &'a mut Vec<f32>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES == LONG_VECTOR {
            self.run::<S, { TILE_ROWS[1] }>(simd);
        } else {
            self.run::<S, { TILE_ROWS[0] }>(simd);
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let Self { m, k, n, a, b, finish, out, stride, left, right } = self;
        let columns = VECTORS * S::F32_LANES;
        // the panels of `b` are the rows of its transpose, side by side
        pack_panels(columns, right, [n, k], b.t());
        pack::<R>(left, [m, k], a);
        let panels = S::as_simd_f32s(right).0.as_chunks::<VECTORS>().0;
        let left = left.as_chunks::<R>().0;
        for block in (0..m).step_by(BLOCK_ROWS) {
            for (j, first) in (0..n).step_by(columns).enumerate() {
                let panel = &panels[j * k..(j + 1) * k];
                for top in (block..m.min(block + BLOCK_ROWS)).step_by(R) {
                    let tile = tile::<S, R>(simd, &left[top / R * k..(top / R + 1) * k], panel);
                    for (row, tile) in tile.iter().enumerate().take(m - top) {
                        let place = &mut out[(top + row) * stride + first..][..columns.min(n - first)];
                        if place.len() == columns {
                            finished(simd, tile, finish, first, place);
                        } else {
                            let mut values = [0.0; WIDEST];
                            finished(simd, tile, finish, first, &mut values[..columns]);
                            place.copy_from_slice(&values[..place.len()]);
                        }
                    }
                }
            }
        }
    }
}

/// [`pack`] into panels of `width` rows: a number that a vector's length decides, and with it the machine.
///
/// # Shapes
/// - `matrix`: `[rows, k]`
/// - `packed`: `[⌈rows / width⌉, k, width]`
#[inline(always)]
pub(crate) fn pack_panels(width: usize, packed: &mut Vec<f32>, sizes: [usize; 2], matrix: Matrix) {
    match width {
        32 => pack::<32>(packed, sizes, matrix),
        16 => pack::<16>(packed, sizes, matrix),
        8 => pack::<8>(packed, sizes, matrix),
        4 => pack::<4>(packed, sizes, matrix),
        2 => pack::<2>(packed, sizes, matrix),
        _ => pack::<1>(packed, sizes, matrix),
    }
}

/// A row of a tile with its finish.
#[inline(always)]
fn finished<S: Simd>(simd: S, tile: &[S::f32s; VECTORS], finish: Finish, first: usize, values: &mut [f32]) {
    let whole = S::as_mut_simd_f32s(values).0;
    match finish {
        Finish::Scale(scale) => {
            let scale = simd.splat_f32s(scale);
            for (value, tile) in whole.iter_mut().zip(tile) {
                *value = simd.mul_f32s(*tile, scale);
            }
        }
        Finish::Bias(bias) => {
            for (value, tile) in whole.iter_mut().zip(tile) {
                *value = *tile;
            }
            for (value, bias) in values.iter_mut().zip(&bias[first..]) {
                *value += bias;
            }
        }
    }
}

/// A tile of the answer.
#[inline(always)]
pub(crate) fn tile<S: Simd, const R: usize>(
    simd: S,
    left: &[[f32; R]],
    panel: &[[S::f32s; VECTORS]],
) -> [[S::f32s; VECTORS]; R] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
    for (left, right) in left.iter().zip(panel) {
        for i in 0..R {
            let left = simd.splat_f32s(left[i]);
            for j in 0..VECTORS {
                sums[i][j] = simd.mul_add_e_f32s(left, right[j], sums[i][j]);
            }
        }
    }
    sums
}

/// Packs rows of `matrix` into panels of `W` rows, in which a column's values lie side by side; missing rows are 0.
///
/// # Shapes
/// - `matrix`: `[rows, k]`
/// - `packed`: `[⌈rows / W⌉, k, W]`
#[inline(always)]
pub(crate) fn pack<const W: usize>(packed: &mut Vec<f32>, [rows, k]: [usize; 2], matrix: Matrix) {
    let len = rows.div_ceil(W) * k * W;
    if packed.len() < len {
        packed.resize(len, 0.0);
    }
    let Matrix { values, stride, transposed } = matrix;
    let panels = packed[..len].as_chunks_mut::<W>().0.chunks_exact_mut(k.max(1));
    for (panel, first) in panels.zip((0..rows).step_by(W)) {
        let there = W.min(rows - first);
        if transposed {
            for (column, place) in panel.iter_mut().enumerate() {
                let found = &values[column * stride + first..][..there];
                match <&[f32; W]>::try_from(found) {
                    Ok(whole) => *place = *whole,
                    Err(_) => *place = std::array::from_fn(|i| found.get(i).copied().unwrap_or(0.0)),
                }
            }
        } else {
            for (block, start) in panel.chunks_mut(AT_ONCE).zip((0..k).step_by(AT_ONCE)) {
                let mut lines = [[0.0; AT_ONCE]; W];
                for (i, line) in lines.iter_mut().enumerate().take(there) {
                    let row = &values[(first + i) * stride + start..][..block.len()];
                    match <&[f32; AT_ONCE]>::try_from(row) {
                        Ok(whole) => *line = *whole,
                        Err(_) => line[..row.len()].copy_from_slice(row),
                    }
                }
                for (column, place) in block.iter_mut().enumerate() {
                    for i in 0..W {
                        place[i] = lines[i][column];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(len: usize, phase: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.37 + phase).sin()).collect()
    }

    /// Row by row and column by column.
    fn reference([m, k, n]: [usize; 3], a: impl Fn(usize, usize) -> f32, b: impl Fn(usize, usize) -> f32) -> Vec<f64> {
        let sum = |i: usize, j: usize| (0..k).map(|at| f64::from(a(i, at)) * f64::from(b(at, j))).sum();
        (0..m * n).map(|place| sum(place / n, place % n)).collect()
    }

    #[test]
    fn every_form_is_the_sum_of_its_products() {
        for [m, k, n] in [[1, 1, 1], [5, 3, 17], [6, 16, 16], [7, 33, 31], [13, 20, 33], [97, 5, 64], [2, 0, 3]] {
            // rows lie three values further apart than they need to
            let (ka, kb) = (k + 3, n + 3);
            let (a, b) = (wave(m * ka, 0.1), wave(k * kb + 3, 0.7));
            let (ma, nb) = (m + 3, k + 3);
            let (at, bt) = (wave(k * ma + 3, 0.2), wave(n * nb, 0.9));
            let bias = wave(n, 0.4);
            for (left, a_at) in [
                (Matrix::new(&a, ka), &(|i: usize, at: usize| a[i * ka + at]) as &dyn Fn(usize, usize) -> f32),
                (Matrix::new(&at, ma).t(), &|i, k| at[k * ma + i]),
            ] {
                for (right, b_at) in [
                    (Matrix::new(&b, kb), &(|at: usize, j: usize| b[at * kb + j]) as &dyn Fn(usize, usize) -> f32),
                    (Matrix::new(&bt, nb).t(), &|k, j| bt[j * nb + k]),
                ] {
                    let wanted = reference([m, k, n], a_at, b_at);
                    let close = |found: f32, wanted: f64| (f64::from(found) - wanted).abs() < 1e-5;
                    let found = product([m, k, n], left, right, Finish::Scale(0.5));
                    assert!(found.iter().zip(&wanted).all(|(f, w)| close(*f, 0.5 * w)), "{m} {k} {n}");
                    let mut found = vec![7.0; m * (n + 1)];
                    product_into([m, k, n], left, right, Finish::Bias(&bias), &mut found, n + 1);
                    for (row, wanted) in found.chunks(n + 1).zip(wanted.chunks(n)) {
                        let mut values = row.iter().zip(wanted.iter().zip(&bias));
                        assert!(values.all(|(f, (w, bias))| close(*f, w + f64::from(*bias))), "{m} {k} {n}");
                        assert_eq!(row[n], 7.0);
                    }
                }
            }
        }
    }
}
