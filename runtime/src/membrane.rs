//! The membrane: the smoothest surface through the values around a hole.

mod grid_level;
#[cfg(test)]
mod reference;

use ndarray::ArrayView2;

use grid_level::GridLevel;

pub(crate) use grid_level::{LANES, Pixel};

/// A cycle that moves no value by more than this ends the solving. A cycle takes away at least half of the error that is
/// left, so the distance to the exact solution is no more than this either: far below the step of eight bits.
///
/// # Units
/// Grey levels of 255.
const TOLERANCE: f32 = 0.1;

/// Stops a solve whose values make the tolerance unreachable in `f32`.
const MOST_CYCLES: usize = 60;

/// Solves Laplace's equation on the unknown pixels of a rectangle: each becomes the mean of its neighbours, while the
/// known ones hold their values and the rectangle's edge is free (its missing neighbours do not count).
///
/// Multigrid V-cycles with red-black Gauss–Seidel. A pixel of a coarser grid is unknown only if all nine finer pixels
/// under it are: its correction then never reaches a known pixel, whatever the shape of the hole, and the thin layer
/// that this leaves along the rim is the smoother's.
///
/// # Source
/// Briggs et al. 2000, "A Multigrid Tutorial"; Pérez et al. 2003, "Poisson image editing" for its use here.
pub(crate) struct Membrane {
    levels: Vec<GridLevel>,
}

impl Membrane {
    /// Prepares the grids for one hole.
    ///
    /// # Shapes
    /// - `unknown`: `[H, W]`
    pub fn new(unknown: ArrayView2<bool>) -> Self {
        let mut levels = vec![GridLevel::new(unknown.to_owned())];
        while let Some(coarser) = levels.last().and_then(GridLevel::coarser) {
            levels.push(coarser);
        }
        Self { levels }
    }

    /// Replaces the unknown values, whatever stood there. The lanes of a pixel are solved side by side and know nothing of
    /// each other.
    ///
    /// # Shapes
    /// - `values`: `[H·W]` pixels, row-major
    ///
    /// # Units
    /// Grey levels of 255; solved to a tenth of one.
    pub fn fill(&self, values: &mut [Pixel]) {
        let mut work: Vec<Work> = self.levels.windows(2).map(|pair| Work::new(&pair[0], &pair[1])).collect();
        guess(&self.levels, values, &mut work);
        for _ in 0..MOST_CYCLES {
            if cycle(&self.levels, values, None, &mut work) <= TOLERANCE {
                break;
            }
        }
    }
}

/// Room for going from a grid to the next coarser one: what the finer one is off by, the same gathered on the coarser one,
/// and the correction that this leads to there.
struct Work {
    residual: Vec<Pixel>,
    gathered: Vec<Pixel>,
    correction: Vec<Pixel>,
}

impl Work {
    fn new(finer: &GridLevel, coarser: &GridLevel) -> Self {
        let room = |level: &GridLevel| vec![[0.0; LANES]; level.len()];
        Self { residual: room(finer), gathered: room(coarser), correction: room(coarser) }
    }
}

/// A first guess at the unknown values of the first of `levels`: the coarser grid's, roughly solved and interpolated.
fn guess(levels: &[GridLevel], values: &mut [Pixel], work: &mut [Work]) {
    let [level, coarser @ ..] = levels else { return };
    let ([next, ..], [_, below @ ..]) = (coarser, work) else {
        if let Some(mean) = level.rim_mean(values) {
            level.set_unknown(values, mean);
        }
        return;
    };
    let mut coarse = next.known_from(level, values);
    guess(coarser, &mut coarse, below);
    cycle(coarser, &mut coarse, None, below);
    level.set_unknown(values, [0.0; LANES]);
    level.add_correction(values, next, &coarse);
}

/// One V-cycle from the first of `levels` down. Returns a bound on how far any value was moved.
fn cycle(levels: &[GridLevel], values: &mut [Pixel], source: Option<&[Pixel]>, work: &mut [Work]) -> f32 {
    const SWEEPS: usize = 2;
    /// The coarsest grid has a handful of unknown pixels: sweeping solves it.
    const COARSEST_SWEEPS: usize = 16;
    let [level, coarser @ ..] = levels else { return 0.0 };
    let ([next, ..], [here, below @ ..]) = (coarser, work) else {
        return (0..COARSEST_SWEEPS).map(|_| level.sweep(values, source)).sum();
    };
    let mut moved: f32 = (0..SWEEPS).map(|_| level.sweep(values, source)).sum();
    level.residual(values, source, &mut here.residual);
    next.restrict(level, &here.residual, &mut here.gathered);
    here.correction.fill([0.0; LANES]);
    cycle(coarser, &mut here.correction, Some(&here.gathered), below);
    moved += level.add_correction(values, next, &here.correction);
    moved + (0..SWEEPS).map(|_| level.sweep(values, source)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::reference::membrane;
    use super::*;

    /// Random-looking values without a generator: the membrane only needs variety.
    fn value(y: usize, x: usize) -> f32 {
        ((y * 7919 + x * 104_729) % 256) as f32
    }

    /// Solves for two planes side by side.
    fn filled(unknown: &Array2<bool>, planes: [&Array2<f32>; 2]) -> [Array2<f32>; 2] {
        let [first, second] = planes;
        let mut pixels: Vec<Pixel> = first.iter().zip(second).map(|(a, b)| [*a, *b, 0.0, 0.0]).collect();
        Membrane::new(unknown.view()).fill(&mut pixels);
        [0, 1].map(|lane| Array2::from_shape_fn(unknown.dim(), |(y, x)| pixels[y * unknown.ncols() + x][lane]))
    }

    fn assert_matches_reference(height: usize, width: usize, unknown: impl Fn(usize, usize) -> bool) {
        let unknown = Array2::from_shape_fn((height, width), |(y, x)| unknown(y, x));
        let values = Array2::from_shape_fn((height, width), |(y, x)| value(y, x));
        let others = Array2::from_shape_fn((height, width), |(y, x)| value(x + 3, y + 1));
        for (got, values) in filled(&unknown, [&values, &others]).iter().zip([&values, &others]) {
            let exact = membrane(unknown.view(), values.view());
            for ((at, got), want) in got.indexed_iter().zip(&exact) {
                assert!((f64::from(*got) - want).abs() <= 3.0 * f64::from(TOLERANCE), "{got}, not {want}, at {at:?}");
            }
        }
    }

    #[test]
    fn holes_of_many_shapes_match_the_dense_solution() {
        assert_matches_reference(1, 1, |_, _| false);
        assert_matches_reference(1, 9, |_, x| x > 0);
        assert_matches_reference(9, 1, |y, _| y != 4);
        assert_matches_reference(7, 8, |y, x| y == 3 && x == 3);
        assert_matches_reference(20, 21, |y, x| (3..17).contains(&y) && (2..19).contains(&x));
        assert_matches_reference(24, 16, |y, _| y > 0);
        assert_matches_reference(24, 25, |y, x| (y, x) != (11, 13));
        assert_matches_reference(22, 22, |y, x| y.abs_diff(x) < 3);
        assert_matches_reference(21, 24, |y, x| (y + x) % 2 == 0);
        assert_matches_reference(23, 23, |y, x| y % 2 == 0 || x % 2 == 0);
        assert_matches_reference(24, 24, |y, x| y % 5 != 0 || x % 7 != 0);
    }

    #[test]
    fn a_plane_is_continued_as_a_plane() {
        let plane = |y: usize, x: usize| 10.0 + 0.5 * y as f32 + 0.25 * x as f32;
        let unknown = Array2::from_shape_fn((150, 170), |(y, x)| (y as f32 - 70.0).hypot(x as f32 - 80.0) < 60.0);
        let values = Array2::from_shape_fn(unknown.dim(), |(y, x)| if unknown[[y, x]] { 0.0 } else { plane(y, x) });
        let [filled, _] = filled(&unknown, [&values, &values]);
        for ((y, x), got) in filled.indexed_iter() {
            assert!((got - plane(y, x)).abs() <= 3.0 * TOLERANCE);
        }
    }

    #[test]
    fn known_values_stay_as_they_are() {
        let unknown = Array2::from_shape_fn((33, 47), |(y, x)| (y * x) % 3 != 0);
        let values = Array2::from_shape_fn(unknown.dim(), |(y, x)| value(y, x));
        let [filled, _] = filled(&unknown, [&values, &values]);
        assert!(unknown.indexed_iter().all(|(at, is_unknown)| *is_unknown || filled[at] == values[at]));
    }
}
