//! Draws the patches to hide.
//!
//! The draws use integer arithmetic and the operations that IEEE 754 rounds exactly, so that a
//! seed gives one mask on every platform and with every version of the random crates.

use glimpse_models::PatchGrid;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// The most elongated rectangle that is drawn, as the long side over the short one.
const ELONGATION_MAX: f64 = 3.0;

/// The smallest rectangle that is drawn, as a share of what is still to be hidden.
const AREA_MIN_SHARE: f64 = 0.25;

/// A flag for each patch, `count` of them set, all choices equally likely.
pub(super) fn singles(grid: PatchGrid, count: usize, seed: u64) -> Vec<bool> {
    let mut rng = Pcg32::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..grid.len()).collect();
    let mut hidden = vec![false; grid.len()];
    for place in 0..count {
        order.swap(place, place + below(&mut rng, grid.len() - place));
        hidden[order[place]] = true;
    }
    hidden
}

/// A flag for each patch, `count` of them set, in rectangles. The last rectangle is cut short, in
/// reading order, where it would hide too many.
pub(super) fn blocks(grid: PatchGrid, count: usize, seed: u64) -> Vec<bool> {
    let mut rng = Pcg32::seed_from_u64(seed);
    let mut hidden = vec![false; grid.len()];
    let mut missing = count;
    while missing > 0 {
        let (rows, cols) = rectangle(&mut rng, grid, missing);
        let top = below(&mut rng, grid.rows() - rows + 1);
        let left = below(&mut rng, grid.cols() - cols + 1);
        for row in top..top + rows {
            for col in left..left + cols {
                let flag = &mut hidden[grid.index(row, col)];
                if !*flag && missing > 0 {
                    *flag = true;
                    missing -= 1;
                }
            }
        }
    }
    hidden
}

/// Rows and columns of a rectangle of about `missing` patches or fewer that fits into the grid.
fn rectangle(rng: &mut Pcg32, grid: PatchGrid, missing: usize) -> (usize, usize) {
    let area = missing as f64 * (AREA_MIN_SHARE + (1.0 - AREA_MIN_SHARE) * unit(rng));
    let elongation = 1.0 + (ELONGATION_MAX - 1.0) * unit(rng);
    let upright = below(rng, 2) == 0;
    let aspect = if upright { elongation } else { 1.0 / elongation };
    let rows = (area * aspect).sqrt().round() as usize;
    let cols = (area / aspect).sqrt().round() as usize;
    (rows.clamp(1, grid.rows()), cols.clamp(1, grid.cols()))
}

/// A number in `0..n`, by Lemire's multiplication; `n` is a grid's size, far below 2³², so the bias
/// does not show.
fn below(rng: &mut Pcg32, n: usize) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}

/// A number in `0.0..1.0`.
fn unit(rng: &mut Pcg32) -> f64 {
    f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
}
