//! Positions of the patches: fixed sines and cosines, or a table that came with the weights.

use anyhow::ensure;
use glimpse_models::PatchGrid;

use crate::weights::Weight;

/// Wavelength of the slowest sine, in patches over 2π.
const BASE: f64 = 10_000.0;

/// The position of each patch as a vector: `[sin(col), cos(col), sin(row), cos(row)]`, a quarter of the width each.
///
/// The class token stands at no place: its position is zero, and is not in this table.
///
/// # Shapes
/// - returns `[L, C]`, row-major over the grid; `C` = `width`, a multiple of 4
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, appendix A; Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
#[must_use]
pub fn sin_cos_positions(grid: &PatchGrid, width: usize) -> Vec<f32> {
    let quarter = width / 4;
    let waves: Vec<f64> = (0..quarter).map(|k| BASE.powf(-(k as f64) / quarter as f64)).collect();
    let mut table = Vec::with_capacity(grid.len() * width);
    for row in 0..grid.rows() {
        for col in 0..grid.cols() {
            for place in [col, row] {
                table.extend(waves.iter().map(|w| (place as f64 * w).sin() as f32));
                table.extend(waves.iter().map(|w| (place as f64 * w).cos() as f32));
            }
        }
    }
    table
}

/// The positions that a model adds to its tokens: `[L, C]`, row-major over the grid.
#[derive(Debug, Clone)]
pub struct Positions {
    table: Vec<f32>,
    shape: [usize; 2],
    is_stored: bool,
}

impl Positions {
    /// Sines and cosines.
    #[must_use]
    pub fn fixed(grid: &PatchGrid, width: usize) -> Self {
        Self { table: sin_cos_positions(grid, width), shape: [grid.len(), width], is_stored: false }
    }

    /// The table `weight` of the key `key`, in place of `fixed`.
    ///
    /// # Errors
    /// When it is of another shape.
    pub fn stored(key: &str, fixed: &Self, weight: Weight) -> anyhow::Result<Self> {
        ensure!(weight.shape == fixed.shape, "{key} is {:?}, the spec asks for {:?}", weight.shape, fixed.shape);
        Ok(Self { table: weight.values, shape: fixed.shape, is_stored: true })
    }

    /// `[L, C]`
    #[must_use]
    pub fn table(&self) -> &[f32] {
        &self.table
    }

    /// The table as a weight, if it is none that can be computed anew.
    #[must_use]
    pub fn to_weight(&self) -> Option<Weight> {
        self.is_stored.then(|| Weight { shape: self.shape.to_vec(), values: self.table.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_patch_is_zeros_and_ones_and_columns_come_first() {
        let grid = PatchGrid::new(64, 48, 16).unwrap();
        let table = sin_cos_positions(&grid, 8);
        assert_eq!(table.len(), 12 * 8);
        assert_eq!(&table[..8], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        // patch 1 is column 1 of row 0: its column part moves, its row part stays
        let second = &table[8..16];
        assert!((second[0] - 1f32.sin()).abs() < 1e-7 && (second[1] - 0.01f32.sin()).abs() < 1e-7);
        assert_eq!(&second[4..], &[0.0, 0.0, 1.0, 1.0]);
        // patch 3 is column 0 of row 1 (48 / 16 = 3 columns)
        let fourth = &table[24..32];
        assert_eq!(&fourth[..4], &[0.0, 0.0, 1.0, 1.0]);
        assert!((fourth[4] - 1f32.sin()).abs() < 1e-7);
    }
}
