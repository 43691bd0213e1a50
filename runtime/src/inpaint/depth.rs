//! How deep in the hole a pixel lies.

use ndarray::{Array2, ArrayView2};

/// Distance of each hole pixel to the nearest visible one: chamfer with steps of 1 and √2, at most 8% longer than the
/// Euclidean distance. Beyond the edge of the array nothing is visible.
///
/// # Shapes
/// - `hole`: `[H, W]`
/// - returns `[H, W]`: 0 where visible, infinite everywhere if nothing is
///
/// # Units
/// Pixels of the array.
///
/// # Source
/// Borgefors 1986, "Distance transformations in digital images".
pub(super) fn depth_from_hole(hole: ArrayView2<bool>) -> Array2<f32> {
    let (height, width) = hole.dim();
    let mut depth = hole.mapv(|is_hole| if is_hole { f32::INFINITY } else { 0.0 });
    for y in 0..height {
        for x in 0..width {
            relax(&mut depth, y, x, [(-1, -1), (-1, 0), (-1, 1), (0, -1)]);
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            relax(&mut depth, y, x, [(1, 1), (1, 0), (1, -1), (0, 1)]);
        }
    }
    depth
}

/// Takes the shortest way to a pixel over four neighbours that are done.
fn relax(depth: &mut Array2<f32>, y: usize, x: usize, steps: [(isize, isize); 4]) {
    let mut least = depth[[y, x]];
    if least <= 1.0 {
        return;
    }
    for (dy, dx) in steps {
        let near = y.checked_add_signed(dy).zip(x.checked_add_signed(dx)).and_then(|at| depth.get(at));
        let step = if dy != 0 && dx != 0 { std::f32::consts::SQRT_2 } else { 1.0 };
        least = near.map_or(least, |d| least.min(d + step));
    }
    depth[[y, x]] = least;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_as_deep_as_its_half_side() {
        let hole = Array2::from_shape_fn((11, 13), |(y, x)| (2..9).contains(&y) && (3..10).contains(&x));
        let depth = depth_from_hole(hole.view());
        assert_eq!(depth[[5, 6]], 4.0);
        assert_eq!(depth[[2, 3]], 1.0);
        assert_eq!(depth[[0, 0]], 0.0);
    }

    #[test]
    fn it_is_near_the_euclidean_distance() {
        let hole = Array2::from_shape_fn((40, 50), |(y, x)| (y, x) != (7, 11) && (y, x) != (30, 41));
        let depth = depth_from_hole(hole.view());
        for ((y, x), d) in depth.indexed_iter() {
            let to = |a: f32, b: f32| (y as f32 - a).hypot(x as f32 - b);
            let exact = to(7.0, 11.0).min(to(30.0, 41.0));
            assert!((exact - 1e-3..=exact * 1.083 + 1e-3).contains(d), "{d} at {y} {x}, exactly {exact}");
        }
    }

    #[test]
    fn a_hole_without_end_is_infinitely_deep() {
        assert!(depth_from_hole(Array2::from_elem((2, 3), true).view()).iter().all(|d| d.is_infinite()));
    }
}
