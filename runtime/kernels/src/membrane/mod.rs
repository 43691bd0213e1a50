//! The membrane: the smoothest surface through the values around a hole.

mod layout;
mod level;
#[cfg(test)]
mod reference;
mod shape;

use ndarray::ArrayView2;

use level::Level;
use shape::{Rule, Shape};

/// The error that a solve may leave: far below the step of eight bits.
///
/// # Units
/// Grey levels of 255.
const TOLERANCE: f32 = 0.1;

/// The least and the most part of the error that a cycle is taken to have left, whatever it seems to be.
const LEFT: [f32; 2] = [0.1, 0.9];

/// The part that the first cycle is taken to have left, which none before it tells.
const FIRST_LEFT: f32 = 0.5;

/// A cycle that leaves more than this part of the error does not go as it should.
const TOO_MUCH: f32 = 0.8;

/// Stops a solve whose values make the tolerance unreachable in `f32`.
const MOST_CYCLES: usize = 60;

/// Solves Laplace's equation on the unknown pixels of a rectangle: each becomes the mean of its neighbours, while the
/// known ones hold their values and the rectangle's edge is free (its missing neighbours do not count).
///
/// Multigrid V-cycles with red-black Gauss–Seidel. The equations of a coarser grid are those of flows between its cells,
/// whose known sides stay where they are on the finest grid.
///
/// # Source
/// Briggs et al. 2000, "A Multigrid Tutorial"; Pérez et al. 2003, "Poisson image editing" for its use here.
#[derive(Debug)]
pub struct Membrane {
    finest: Shape,
    /// The known pixels that touch an unknown one.
    rim: Vec<usize>,
    levels: Vec<Level>,
    /// Grids by the careful rule, once a plane has needed them. The next plane begins with the others again, so that its
    /// answer does not depend on what was filled before.
    careful: Vec<Level>,
}

impl Membrane {
    /// Prepares the grids for one hole, for any number of planes.
    ///
    /// # Shapes
    /// - `unknown`: `[H, W]`
    #[must_use]
    pub fn new(unknown: ArrayView2<bool>) -> Self {
        let (height, width) = unknown.dim();
        let finest = Shape::new(height, width, unknown.iter().copied().collect());
        Self { rim: finest.rim(), levels: levels(&finest, Rule::Seen), careful: Vec::new(), finest }
    }

    /// Replaces the unknown values, whatever stood there.
    ///
    /// # Shapes
    /// - `plane`: `[H·W]`, row-major
    ///
    /// # Units
    /// Grey levels of 255; solved to a tenth of one.
    pub fn fill(&mut self, plane: &mut [f32]) {
        self.solve(plane);
    }

    /// [`fill`](Self::fill), and how many cycles it took.
    fn solve(&mut self, plane: &mut [f32]) -> usize {
        let sum: f64 = self.rim.iter().map(|at| f64::from(plane[*at])).sum();
        let mean = (sum / self.rim.len().max(1) as f64) as f32;
        let unknown = plane.iter_mut().zip(&self.finest.unknown).filter(|(_, unknown)| **unknown);
        unknown.for_each(|(value, _)| *value = mean);
        let cycles = solve(&mut self.levels, plane, true);
        if cycles < MOST_CYCLES {
            return cycles;
        }
        if self.careful.is_empty() {
            self.careful = levels(&self.finest, Rule::Surrounded);
        }
        solve(&mut self.careful, plane, false)
    }
}

/// Solves from what stands in a plane, and puts the answer there. Returns how many cycles it took:
/// [`MOST_CYCLES`] if it is not solved, as when it is to `give_up` on cycles that do not go as they should.
fn solve(levels: &mut [Level], plane: &mut [f32], give_up: bool) -> usize {
    if let Some(finest) = levels.first_mut() {
        finest.load(plane);
    }
    let mut before = f32::INFINITY;
    let mut cycles = 0;
    while cycles < MOST_CYCLES {
        let moved = cycle::<true>(levels);
        cycles += 1;
        let left = if before.is_finite() { moved / before } else { FIRST_LEFT };
        // half of it, since what is left is no more than estimated
        if moved * odds(left) <= TOLERANCE / 2.0 {
            break;
        }
        if give_up && left > TOO_MUCH {
            return MOST_CYCLES;
        }
        before = moved;
    }
    if let Some(finest) = levels.first_mut() {
        finest.store(plane);
    }
    cycles
}

/// What is left of the error, over what a cycle took of it, if it left this part.
fn odds(left: f32) -> f32 {
    let left = left.clamp(LEFT[0], LEFT[1]);
    left / (1.0 - left)
}

/// A hole's grids, from the finest on.
fn levels(finest: &Shape, rule: Rule) -> Vec<Level> {
    if finest.unknown.is_empty() {
        return Vec::new();
    }
    let mut levels = vec![Level::finest(finest)];
    let mut coarser = finest.coarser(rule);
    while let Some(shape) = coarser {
        levels.push(Level::coarse(&shape));
        coarser = shape.coarser(rule);
    }
    levels
}

/// One V-cycle from the first of `levels` down, which is the finest or a coarser one. Returns how far a value was moved by
/// the last sweeps, at most.
fn cycle<const FINEST: bool>(levels: &mut [Level]) -> f32 {
    const SWEEPS: usize = 2;
    /// The coarsest grid has a handful of unknown pixels: sweeping solves it.
    const COARSEST_SWEEPS: usize = 16;
    let Some((level, coarser)) = levels.split_first_mut() else { return 0.0 };
    if coarser.is_empty() {
        return (0..COARSEST_SWEEPS).map(|_| level.sweep::<FINEST>()).sum();
    }
    let before: f32 = (0..SWEEPS).map(|_| level.sweep::<FINEST>()).sum();
    level.find_residual::<FINEST>();
    if let Some(next) = coarser.first_mut() {
        next.take_residual(level);
    }
    cycle::<false>(coarser);
    if let Some(next) = coarser.first_mut() {
        next.spread();
        level.add(next);
    }
    before + (0..SWEEPS).map(|_| level.sweep::<FINEST>()).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::reference::membrane;
    use super::*;

    /// Random-looking values without a generator: the membrane only needs variety.
    fn value(y: usize, x: usize) -> f32 {
        ((y * 7919 + x * 104_729) % 256) as f32
    }

    fn filled(unknown: &Array2<bool>, values: &Array2<f32>) -> Array2<f32> {
        let mut plane = values.iter().copied().collect::<Vec<f32>>();
        Membrane::new(unknown.view()).fill(&mut plane);
        Array2::from_shape_vec(values.dim(), plane).unwrap()
    }

    fn assert_matches_reference(height: usize, width: usize, unknown: impl Fn(usize, usize) -> bool) {
        let unknown = Array2::from_shape_fn((height, width), |(y, x)| unknown(y, x));
        let values = Array2::from_shape_fn((height, width), |(y, x)| value(y, x));
        let exact = membrane(unknown.view(), values.view());
        for ((at, got), want) in filled(&unknown, &values).indexed_iter().zip(&exact) {
            assert!((f64::from(*got) - want).abs() <= f64::from(TOLERANCE), "{got}, not {want}, at {at:?}");
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
        assert_matches_reference(17, 38, |y, x| (y, x) != (16, 0));
        assert_matches_reference(9, 35, |_, x| (4..31).contains(&x));
    }

    #[test]
    fn nothing_is_filled_with_nothing() {
        for dim in [(0, 0), (0, 3), (3, 0)] {
            Membrane::new(Array2::from_elem(dim, true).view()).fill(&mut []);
        }
    }

    #[test]
    fn a_plane_is_continued_as_a_plane() {
        let plane = |y: usize, x: usize| 10.0 + 0.5 * y as f32 + 0.25 * x as f32;
        let unknown = Array2::from_shape_fn((150, 170), |(y, x)| (y as f32 - 70.0).hypot(x as f32 - 80.0) < 60.0);
        let values = Array2::from_shape_fn(unknown.dim(), |(y, x)| if unknown[[y, x]] { 0.0 } else { plane(y, x) });
        for ((y, x), got) in filled(&unknown, &values).indexed_iter() {
            assert!((got - plane(y, x)).abs() <= TOLERANCE);
        }
    }

    #[test]
    fn known_values_stay_as_they_are() {
        let unknown = Array2::from_shape_fn((33, 47), |(y, x)| (y * x) % 3 != 0);
        let values = Array2::from_shape_fn(unknown.dim(), |(y, x)| value(y, x));
        let filled = filled(&unknown, &values);
        assert!(unknown.indexed_iter().all(|(at, is_unknown)| *is_unknown || filled[at] == values[at]));
    }

    /// Noise, rectangles, lines, spots and slanted stripes.
    fn random_hole(height: usize, width: usize, rng: &mut Pcg64) -> Array2<bool> {
        let mut unknown = Array2::from_elem((height, width), rng.random());
        let [down, right] = [(); 2].map(|()| rng.random_range(1..9));
        match rng.random_range(0..5) {
            0 => {
                let share = rng.random::<f64>();
                unknown.iter_mut().for_each(|unknown| *unknown = rng.random_bool(share));
            }
            1 => {
                for _ in 0..rng.random_range(1..8) {
                    let (top, left) = (rng.random_range(0..height), rng.random_range(0..width));
                    let (bottom, right) = (rng.random_range(top..height), rng.random_range(left..width));
                    unknown.slice_mut(s![top..=bottom, left..=right]).mapv_inplace(|unknown| !unknown);
                }
            }
            2 => unknown.indexed_iter_mut().for_each(|((y, x), unknown)| *unknown = y % down != 0 && x % right != 0),
            3 => unknown.indexed_iter_mut().for_each(|((y, x), unknown)| *unknown = y % down != 0 || x % right != 0),
            _ => unknown.indexed_iter_mut().for_each(|((y, x), unknown)| *unknown = (y * down + x * right) % 13 > 2),
        }
        unknown
    }

    /// Whether there is a way from every unknown pixel to a known one.
    fn is_held(unknown: &Array2<bool>) -> bool {
        let (height, width) = unknown.dim();
        let mut held: Vec<bool> = unknown.iter().map(|unknown| !unknown).collect();
        for _ in 0..height * width {
            for at in 0..height * width {
                let (y, x) = (at / width, at % width);
                let near = [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)];
                held[at] |= near.iter().any(|&(y, x)| y < height && x < width && held[y * width + x]);
            }
        }
        held.iter().all(|held| *held)
    }

    #[test]
    fn holes_of_all_sorts_match_the_dense_solution() {
        let mut rng = Pcg64::seed_from_u64(1);
        for _ in 0..200 {
            let (height, width) = (rng.random_range(1..14), rng.random_range(1..14));
            let unknown = random_hole(height, width, &mut rng);
            if is_held(&unknown) {
                assert_matches_reference(height, width, |y, x| unknown[[y, x]]);
            }
        }
    }

    #[test]
    fn few_cycles_solve_any_hole() {
        let mut rng = Pcg64::seed_from_u64(2);
        let mut fewest = 0;
        for _ in 0..600 {
            let (height, width) = (rng.random_range(1..90), rng.random_range(1..90));
            let unknown = random_hole(height, width, &mut rng);
            let mut plane: Vec<f32> = (0..height * width).map(|at| value(at / width, at % width)).collect();
            let cycles = Membrane::new(unknown.view()).solve(&mut plane);
            assert!(cycles <= 40, "{cycles} cycles for {height}×{width}");
            fewest += usize::from(cycles <= 6);
        }
        assert!(fewest > 300, "{fewest} of 600 in 6 cycles");
    }

    #[test]
    fn cycles_that_go_wrong_give_way_to_careful_ones() {
        let lower = [
            ".............##..",
            ".............##..",
            "...........####..",
            "..########.####..",
            "..########.####..",
            "..########.####..",
            "..########.####..",
            "..########.####..",
            "..########.####..",
            "..########.####..",
            "..##############.",
            "..##############.",
            "..##############.",
            "..########...##..",
            "..##############.",
            ".............##..",
            ".............##..",
        ];
        let unknown = Array2::from_shape_fn((34, 17), |(y, x)| y < 17 || lower[y - 17].as_bytes()[x] == b'.');
        let mut plane: Vec<f32> = (0..34 * 17).map(|at| value(at / 17, at % 17)).collect();
        let mut membrane = Membrane::new(unknown.view());
        assert!(membrane.solve(&mut plane) < MOST_CYCLES && !membrane.careful.is_empty());
        assert_matches_reference(34, 17, |y, x| unknown[[y, x]]);
        // an even plane is solved at once, whatever was filled before
        let even = Array2::from_elem(unknown.dim(), 7.5);
        let mut plane: Vec<f32> = even.iter().copied().collect();
        assert_eq!(membrane.solve(&mut plane), 1);
        assert_eq!(plane, filled(&unknown, &even).into_raw_vec_and_offset().0);
    }

    #[test]
    fn one_hole_s_grids_serve_many_planes() {
        let unknown = Array2::from_shape_fn((40, 40), |(y, x)| (5..33).contains(&y) && (x / 8) % 2 == 0);
        let mut kept = Membrane::new(unknown.view());
        for shift in 0..3 {
            let values = Array2::from_shape_fn(unknown.dim(), |(y, x)| value(y + shift, x));
            let mut plane = values.iter().copied().collect::<Vec<f32>>();
            kept.fill(&mut plane);
            assert_eq!(plane, filled(&unknown, &values).into_raw_vec_and_offset().0);
        }
    }
}
