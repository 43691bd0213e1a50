//! Tables of positions: whose they are, and for a picture of another size.

use glimpse_models::PatchGrid;

use crate::model::sin_cos_positions;

/// As near as this to the sines and cosines, a table is theirs: other programs round them elsewhere.
const SAME: f32 = 1e-5;
/// The bend of the cubic between two places; PyTorch's, which public tables are stretched with.
const BEND: f64 = -0.75;

/// A table of public weights, its class token's row apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// `[C]`
    pub class: Vec<f32>,
    /// `[L, C]`
    pub places: Vec<f32>,
}

impl Table {
    /// # Shapes
    /// - `values`: `[L+1, C]`, the class token's row first
    #[must_use]
    pub fn new(mut values: Vec<f32>, width: usize) -> Self {
        let places = values.split_off(width.min(values.len()));
        Self { class: values, places }
    }

    /// The table for a grid of `to` × `to` places in place of `from` × `from`.
    #[must_use]
    pub fn stretched(self, from: usize, to: usize, width: usize) -> Self {
        if from == to {
            return self;
        }
        let columns = stretch(&self.places, [from, from], to, width); // [from, to, C]
        let turned = swap(&columns, [from, to], width); // [to, from, C]
        let rows = stretch(&turned, [to, from], to, width); // [to columns, to rows, C]
        Self { class: self.class, places: swap(&rows, [to, to], width) }
    }

    /// Whether it is the table that a bundle's graphs have anyway.
    #[must_use]
    pub fn is_fixed(&self, grid: &PatchGrid, width: usize) -> bool {
        let fixed = sin_cos_positions(grid, width);
        fixed.len() == self.places.len() && fixed.iter().zip(&self.places).all(|(a, b)| (a - b).abs() <= SAME)
    }
}

/// Stretches the second axis to `to` places, by cubic convolution; the places of both are spread over the same picture.
///
/// # Shapes
/// - `values`: `[rows, columns, C]`
/// - returns `[rows, to, C]`
///
/// # Source
/// Keys 1981, doi:10.1109/TASSP.1981.1163711, with PyTorch's parameter and its edges repeated.
fn stretch(values: &[f32], [rows, columns]: [usize; 2], to: usize, width: usize) -> Vec<f32> {
    let scale = columns as f64 / to as f64;
    let mut stretched = Vec::with_capacity(rows * to * width);
    for row in values.chunks(columns * width) {
        for place in 0..to {
            let source = (place as f64 + 0.5) * scale - 0.5;
            let first = source.floor();
            let at = source - first;
            let shares = [outer(at + 1.0), inner(at), inner(1.0 - at), outer(2.0 - at)];
            let column = |step: usize| (first as i64 + step as i64 - 1).clamp(0, columns as i64 - 1) as usize;
            for c in 0..width {
                let parts = shares.iter().enumerate().map(|(i, share)| share * f64::from(row[column(i) * width + c]));
                stretched.push(parts.sum::<f64>() as f32);
            }
        }
    }
    stretched
}

/// The share of a place that is at most 1 away.
fn inner(x: f64) -> f64 {
    ((BEND + 2.0) * x - (BEND + 3.0)) * x * x + 1.0
}

/// The share of a place that is between 1 and 2 away.
fn outer(x: f64) -> f64 {
    ((BEND * x - 5.0 * BEND) * x + 8.0 * BEND) * x - 4.0 * BEND
}

/// # Shapes
/// - `values`: `[rows, columns, C]`
/// - returns `[columns, rows, C]`
fn swap(values: &[f32], [rows, columns]: [usize; 2], width: usize) -> Vec<f32> {
    let place = |column: usize, row: usize| &values[(row * columns + column) * width..][..width];
    (0..columns).flat_map(|column| (0..rows).flat_map(move |row| place(column, row))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_split_and_known_for_what_it_is() {
        let grid = PatchGrid::new(32, 32, 16).unwrap();
        let mut values = vec![0.0; 8];
        values.extend(sin_cos_positions(&grid, 8).iter().map(|value| value + 1e-7));
        let table = Table::new(values, 8);
        assert_eq!(table.class, [0.0; 8]);
        assert!(table.is_fixed(&grid, 8));
        let mut trained = table.clone();
        trained.places[5] += 1e-3;
        assert!(!trained.is_fixed(&grid, 8));
        assert_eq!(table.clone().stretched(2, 2, 8), table);
    }

    #[test]
    fn a_ramp_stays_near_a_ramp_and_directions_are_kept() {
        // Two channels: the row's number and the column's.
        let places = (0..64).flat_map(|i| [(i / 8) as f32, (i % 8) as f32]).collect();
        let table = Table { class: vec![9.0, 9.0], places }.stretched(8, 16, 2);
        assert_eq!((table.class.as_slice(), table.places.len()), (&[9.0, 9.0][..], 16 * 16 * 2));
        for row in 5..11 {
            for column in 5..11 {
                let found = &table.places[(row * 16 + column) * 2..][..2];
                let right = [row, column].map(|place| place as f32 / 2.0 - 0.25);
                // A ramp is bent a little, by the parameter.
                assert!(found.iter().zip(right).all(|(a, b)| (a - b).abs() < 0.05), "{found:?} is not {right:?}");
            }
        }
    }
}
