//! What stands before a decoder's first block.

use ndarray::{Array2, ArrayView1, ArrayView2};

/// The class token, and a token for each place of the grid, with the place's position added: the visible patch's, or the
/// mask token.
///
/// # Shapes
/// - `x`: `[N+1, D]`, the class token first
/// - `table`: `[L, D]` or longer: the positions
/// - `mask_token`: `[D]`
/// - `order`: `[L]`, 0 at a masked place, `i + 1` at the place of the `i`-th visible patch
/// - returns `[L+1, D]`
#[must_use]
pub fn restore(x: ArrayView2<f32>, table: ArrayView2<f32>, mask_token: ArrayView1<f32>, order: &[i64]) -> Array2<f32> {
    Array2::from_shape_fn((order.len() + 1, x.ncols()), |(row, d)| match row {
        0 => x[[0, d]],
        _ if order[row - 1] == 0 => mask_token[d] + table[[row - 1, d]],
        _ => x[[order[row - 1] as usize, d]] + table[[row - 1, d]],
    })
}
