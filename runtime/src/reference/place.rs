//! What stands before an encoder's first block.

use ndarray::{Array2, ArrayView1, ArrayView2};

/// A class token, and each embedded patch with the position of its place added.
///
/// # Shapes
/// - `x`: `[N, C]`
/// - `table`: `[L, C]` or longer: the positions
/// - `class`: `[C]`
/// - `positions`: `[N]`
/// - returns `[N+1, C]`
#[must_use]
pub fn place(x: ArrayView2<f32>, table: ArrayView2<f32>, class: ArrayView1<f32>, positions: &[i64]) -> Array2<f32> {
    Array2::from_shape_fn((x.nrows() + 1, x.ncols()), |(row, c)| match row {
        0 => class[c],
        _ => x[[row - 1, c]] + table[[positions[row - 1] as usize, c]],
    })
}
