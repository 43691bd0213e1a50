//! Slow and plain forms that the tests compare with.

use ndarray::{Array1, Array2, ArrayView2};

/// The membrane by elimination, in `f64`.
///
/// # Shapes
/// - `unknown`, `values`: `[H, W]`; returns `[H, W]`
pub(super) fn membrane(unknown: ArrayView2<bool>, values: ArrayView2<f32>) -> Array2<f64> {
    let (height, width) = unknown.dim();
    let size = height * width;
    let mut matrix = Array2::<f64>::zeros((size, size));
    let mut right = Array1::<f64>::zeros(size);
    for ((y, x), is_unknown) in unknown.indexed_iter() {
        let row = y * width + x;
        if !is_unknown {
            matrix[[row, row]] = 1.0;
            right[row] = f64::from(values[[y, x]]);
            continue;
        }
        let near = [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)];
        for (near_y, near_x) in near.into_iter().filter(|&(a, b)| a < height && b < width) {
            matrix[[row, row]] += 1.0;
            matrix[[row, near_y * width + near_x]] -= 1.0;
        }
    }
    for pivot in 0..size {
        for row in pivot + 1..size {
            let factor = matrix[[row, pivot]] / matrix[[pivot, pivot]];
            if factor != 0.0 {
                for col in pivot..size {
                    matrix[[row, col]] -= factor * matrix[[pivot, col]];
                }
                right[row] -= factor * right[pivot];
            }
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|col| matrix[[row, col]] * right[col]).sum();
        right[row] = (right[row] - known) / matrix[[row, row]];
    }
    Array2::from_shape_fn((height, width), |(y, x)| right[y * width + x])
}
