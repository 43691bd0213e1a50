//! Principal components: the best that a linear map of this width can keep of the pixels.

use anyhow::Context;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

/// Directions that are followed beside the wanted ones, so that the last of those converge too.
const SPARE: usize = 8;
/// Multiplications with the covariance.
const ITERATIONS: usize = 24;
/// Columns of a product that one thread computes at a time.
const PANEL: usize = 128;

/// The directions of the greatest variance.
#[derive(Debug, Clone)]
pub struct Pca {
    mean: Array1<f32>,
    /// `[D, components]`, orthonormal columns, the greatest variance first.
    directions: Array2<f32>,
}

impl Pca {
    /// Finds the directions by orthogonal iteration from a random start.
    ///
    /// # Shapes
    /// - `rows`: `[n, D]`; fewer than `components` directions are found if there are fewer
    ///
    /// # Errors
    /// When there are no rows.
    ///
    /// # Source
    /// Halko, Martinsson and Tropp 2011, arXiv:0909.4061, algorithms 4.4 and 5.3.
    pub fn fit(rows: &Array2<f32>, components: usize, seed: u64) -> anyhow::Result<Self> {
        let (n, d) = rows.dim();
        let mean = rows.mean_axis(Axis(0)).context("there are no rows to find principal components of")?;
        let centred = rows - &mean;
        let covariance = product(&centred.t(), &centred.view()) / n as f32; // [D, D]
        let components = components.min(d).min(n);
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut q = Array2::from_shape_simple_fn((d, (components + SPARE).min(d)), || rng.random_range(-1.0..1.0));
        orthonormalize(&mut q);
        for _ in 0..ITERATIONS {
            q = product(&covariance.view(), &q.view()); // [D, components + SPARE]
            orthonormalize(&mut q);
        }
        let small = q.t().dot(&product(&covariance.view(), &q.view())); // [components + SPARE]²
        let turn = eigenvectors(&small).slice_move(ndarray::s![.., ..components]);
        Ok(Self { mean, directions: q.dot(&turn) })
    }

    /// How many directions there are.
    #[must_use]
    pub fn components(&self) -> usize {
        self.directions.ncols()
    }

    /// Where rows lie along the directions.
    ///
    /// # Shapes
    /// - `rows`: `[n, D]`
    /// - returns `[n, components]`
    #[must_use]
    pub fn project(&self, rows: &Array2<f32>) -> Array2<f32> {
        product(&(rows - &self.mean).view(), &self.directions.view())
    }
}

/// `a · b`, on all threads.
fn product(a: &ArrayView2<f32>, b: &ArrayView2<f32>) -> Array2<f32> {
    let mut product = Array2::zeros((a.nrows(), b.ncols()));
    let panels: Vec<_> = product.axis_chunks_iter_mut(Axis(1), PANEL).zip(b.axis_chunks_iter(Axis(1), PANEL)).collect();
    panels.into_par_iter().for_each(|(mut panel, b)| panel.assign(&a.dot(&b)));
    product
}

/// Makes the columns orthonormal, by Gram and Schmidt's method; twice, because rounding spoils the first time. A column
/// that depends on those before it becomes zero.
fn orthonormalize(q: &mut Array2<f32>) {
    for column in 0..q.ncols() {
        for _ in 0..2 {
            let (before, mut rest) = q.view_mut().split_at(Axis(1), column);
            let mut current = rest.column_mut(0);
            let along = before.t().dot(&current);
            current -= &before.dot(&along);
        }
        let mut current = q.column_mut(column);
        let length = current.dot(&current).sqrt();
        current.mapv_inplace(|value| if length > f32::MIN_POSITIVE { value / length } else { 0.0 });
    }
}

/// The eigenvectors of a symmetric matrix as columns, those of the greatest eigenvalues first.
fn eigenvectors(matrix: &Array2<f32>) -> Array2<f32> {
    let n = matrix.nrows();
    // Rounding leaves the two halves apart by a little.
    let symmetric = DMatrix::from_fn(n, n, |i, j| f64::midpoint(f64::from(matrix[[i, j]]), f64::from(matrix[[j, i]])));
    let eigen = SymmetricEigen::new(symmetric);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    Array2::from_shape_fn((n, n), |(row, column)| eigen.eigenvectors[(row, order[column])] as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows along three directions of 20, with known deviations, and a mean.
    fn rows() -> (Array2<f32>, Array2<f32>) {
        let mut rng = Pcg64::seed_from_u64(4);
        let mut directions = Array2::from_shape_simple_fn((20, 3), || rng.random_range(-1.0_f32..1.0));
        orthonormalize(&mut directions);
        let deviations = [5.0, 2.0, 0.5];
        let places = Array2::from_shape_fn((400, 3), |(_, axis)| deviations[axis] * rng.random_range(-1.7_f32..1.7));
        (places.dot(&directions.t()) + 3.0, directions)
    }

    #[test]
    fn directions_of_known_variance_are_found_in_order() {
        let (rows, right) = rows();
        let pca = Pca::fit(&rows, 3, 1).unwrap();
        for axis in 0..3 {
            let cosine = pca.directions.column(axis).dot(&right.column(axis)).abs();
            assert!(cosine > 0.98, "{axis}: {cosine}");
        }
        let gram = pca.directions.t().dot(&pca.directions);
        assert!(gram.iter().zip(&Array2::<f32>::eye(3)).all(|(a, b)| (a - b).abs() < 1e-4), "{gram}");
        let projected = pca.project(&rows);
        assert!(projected.mean_axis(Axis(0)).unwrap().iter().all(|mean| mean.abs() < 1e-3));
        // All the variance lies along three directions, so nothing is lost.
        let back = projected.dot(&pca.directions.t()) + &pca.mean;
        assert!(back.iter().zip(&rows).all(|(a, b)| (a - b).abs() < 1e-2));
    }

    #[test]
    fn there_are_no_more_directions_than_numbers_or_rows() {
        let (rows, _) = rows();
        assert_eq!(Pca::fit(&rows, 50, 1).unwrap().components(), 20);
        assert_eq!(Pca::fit(&rows.slice_move(ndarray::s![..7, ..]), 50, 1).unwrap().components(), 7);
        assert!(Pca::fit(&Array2::zeros((0, 4)), 2, 1).is_err());
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (rows, _) = rows();
        let project = |seed| Pca::fit(&rows, 3, seed).unwrap().project(&rows);
        assert_eq!(project(1), project(1));
    }
}
