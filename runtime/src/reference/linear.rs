//! A linear layer.

use ndarray::{Array2, ArrayView1, ArrayView2};

/// `x · weight + bias`.
///
/// # Shapes
/// - `x`: `[T, K]`
/// - `weight`: `[K, M]`
/// - `bias`: `[M]`
/// - returns `[T, M]`
#[must_use]
pub fn linear(x: ArrayView2<f32>, weight: ArrayView2<f32>, bias: ArrayView1<f32>) -> Array2<f32> {
    Array2::from_shape_fn((x.nrows(), weight.ncols()), |(t, m)| {
        let products = x.row(t).into_iter().zip(weight.column(m));
        let sum: f64 = products.map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
        (sum + f64::from(bias[m])) as f32
    })
}
