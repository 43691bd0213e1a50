//! Seeded holes to paint: rectangles and unions of them, some long and thin, of a known share of the picture.

use std::fmt;

use glimpse_models::PatchGrid;
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Most rectangles in one hole.
const RECTANGLES_MAX: usize = 3;
/// Part of the rectangles that may be elongated.
const ELONGATED_SHARE: f64 = 0.3;
/// The most that a long side measures in short ones: of a common rectangle and of an elongated one.
const ELONGATION_MAX: f64 = 2.0;
const ELONGATED_MAX: f64 = 6.0;
/// Unions overlap and grids are coarse, so a drawn hole often misses its size; after this many a plain band is taken.
const TRIES: usize = 200;

/// A range of hole sizes, as whole percents of the picture: `least` and more, but less than `below`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoleClass {
    least: usize,
    below: usize,
}

impl HoleClass {
    /// The sizes that paintings are judged by.
    pub const ALL: [Self; 4] = [
        Self { least: 2, below: 10 },
        Self { least: 10, below: 20 },
        Self { least: 20, below: 30 },
        Self { least: 30, below: 50 },
    ];

    /// The least share, and the one that is too much, in percent.
    #[must_use]
    pub const fn percent(self) -> [usize; 2] {
        [self.least, self.below]
    }

    /// Whether `hidden` cells of `len` are a hole of this class.
    #[must_use]
    pub fn contains(self, hidden: usize, len: usize) -> bool {
        (self.least * len..self.below * len).contains(&(100 * hidden))
    }
}

impl fmt::Display for HoleClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}–{}%", self.least, self.below)
    }
}

/// Random numbers for one hole. They depend on nothing but the seed and the name, so a picture has the same holes
/// whichever others are judged beside it.
#[must_use]
pub fn hole_rng(seed: u64, name: &str) -> Pcg64 {
    // FNV-1a: a hash that is the same with every release of the standard library.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    Pcg64::seed_from_u64(seed ^ hash)
}

/// A hole of the class in a picture of `height × width`, or none if no number of pixels is in the class.
///
/// # Shapes
/// - returns `[H, W]`, `true` inside the hole
#[must_use]
pub fn block_hole(height: usize, width: usize, class: HoleClass, rng: &mut Pcg64) -> Option<Array2<bool>> {
    let len = height * width;
    for _ in 0..TRIES {
        let hole = draw(height, width, class, rng);
        if class.contains(hole.iter().filter(|hidden| **hidden).count(), len) {
            return Some(hole);
        }
    }
    let band = (class.least * len).div_ceil(100);
    class.contains(band, len).then(|| Array2::from_shape_fn((height, width), |(y, x)| y * width + x < band))
}

/// A hole of the class that is made of whole patches, or none if no number of patches is in the class.
///
/// # Shapes
/// - returns `[H, W]` of the grid's picture, `true` inside the hole
#[must_use]
pub fn aligned_hole(grid: PatchGrid, class: HoleClass, rng: &mut Pcg64) -> Option<Array2<bool>> {
    let hidden = block_hole(grid.rows(), grid.cols(), class, rng)?;
    let patch_px = grid.patch();
    Some(Array2::from_shape_fn((grid.height(), grid.width()), |(y, x)| hidden[(y / patch_px, x / patch_px)]))
}

/// Rectangles that would cover a share of the class together, if they did not overlap and sides were no whole numbers.
fn draw(height: usize, width: usize, class: HoleClass, rng: &mut Pcg64) -> Array2<bool> {
    let percent = rng.random_range(class.least as f64..class.below as f64);
    let count = rng.random_range(1..=RECTANGLES_MAX);
    let area = percent / 100.0 * (height * width) as f64 / count as f64;
    let mut hole = Array2::from_elem((height, width), false);
    for _ in 0..count {
        let elongation = if rng.random_bool(ELONGATED_SHARE) { ELONGATED_MAX } else { ELONGATION_MAX };
        let aspect = rng.random_range(-elongation.ln()..elongation.ln()).exp();
        let rows = ((area * aspect).sqrt().round() as usize).clamp(1, height);
        let cols = ((area / rows as f64).round() as usize).clamp(1, width);
        let top = rng.random_range(0..=height - rows);
        let left = rng.random_range(0..=width - cols);
        for mut row in hole.outer_iter_mut().skip(top).take(rows) {
            row.iter_mut().skip(left).take(cols).for_each(|hidden| *hidden = true);
        }
    }
    hole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(hole: &Array2<bool>) -> usize {
        hole.iter().filter(|hidden| **hidden).count()
    }

    #[test]
    fn holes_are_of_their_class() {
        for class in HoleClass::ALL {
            for (seed, (height, width)) in (0..50).flat_map(|seed| [(seed, (48, 64)), (seed, (64, 33))]) {
                let hole = block_hole(height, width, class, &mut hole_rng(seed, "a")).unwrap();
                assert_eq!(hole.dim(), (height, width));
                assert!(class.contains(hidden(&hole), hole.len()), "{class}: {} of {}", hidden(&hole), hole.len());
            }
        }
    }

    #[test]
    fn aligned_holes_are_made_of_whole_patches() {
        let grid = PatchGrid::new(128, 128, 16).unwrap();
        for class in HoleClass::ALL {
            let hole = aligned_hole(grid, class, &mut hole_rng(5, "b")).unwrap();
            assert!(class.contains(hidden(&hole), hole.len()));
            for ((y, x), value) in hole.indexed_iter() {
                assert_eq!(*value, hole[(y / 16 * 16, x / 16 * 16)]);
            }
        }
    }

    #[test]
    fn the_seed_and_the_name_make_the_hole() {
        let draw = |seed, name| block_hole(60, 80, HoleClass::ALL[2], &mut hole_rng(seed, name));
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }

    #[test]
    fn some_holes_are_long_and_some_are_of_several_parts() {
        let holes: Vec<_> =
            (0..100).map(|seed| block_hole(100, 100, HoleClass::ALL[1], &mut hole_rng(seed, "c")).unwrap()).collect();
        let bounds = |hole: &Array2<bool>| {
            let rows: Vec<_> = hole.rows().into_iter().enumerate().filter(|(_, row)| row.iter().any(|h| *h)).collect();
            let cols: Vec<_> =
                hole.columns().into_iter().enumerate().filter(|(_, col)| col.iter().any(|h| *h)).collect();
            (rows[rows.len() - 1].0 - rows[0].0 + 1, cols[cols.len() - 1].0 - cols[0].0 + 1)
        };
        let rectangles = holes.iter().filter(|hole| {
            let (rows, cols) = bounds(hole);
            rows * cols == hidden(hole)
        });
        let long = rectangles.clone().filter(|hole| {
            let (rows, cols) = bounds(hole);
            rows.max(cols) > 2 * rows.min(cols) + 1
        });
        assert!((20..60).contains(&rectangles.count()) && long.count() > 2);
    }

    #[test]
    fn a_coarse_grid_has_the_holes_that_fit() {
        assert!(block_hole(2, 2, HoleClass::ALL[1], &mut hole_rng(0, "")).is_none());
        assert_eq!(hidden(&block_hole(2, 2, HoleClass::ALL[2], &mut hole_rng(0, "")).unwrap()), 1);
        // Two of sixteen is the only number in the class.
        assert_eq!(hidden(&block_hole(4, 4, HoleClass { least: 12, below: 18 }, &mut hole_rng(0, "")).unwrap()), 2);
    }
}
