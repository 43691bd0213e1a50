//! Which patches of a camera's frame are worth a look.

use glimpse_models::PatchGrid;
use ndarray::Array2;

use crate::frame::cells;
use crate::{Error, Frame, Mask, Result};

/// Cells of a patch's side that are compared, for each channel.
const CELLS: usize = 4;
/// The sum of squares up to which a patch has not changed: a camera's noise, four grey levels.
const STILL: u32 = 16 * (3 * CELLS * CELLS) as u32;

/// A budget of patches, spent on those that changed most since they were last looked at.
///
/// A patch is compared, in the means of its cells, with itself as it was when it was last in a mask, so that slow changes add up
/// until they are seen. One that does not change is looked at every so often all the same: at least a quarter of the budget, and
/// half of it where little changes, goes to those that have waited longest. (A budget of one patch goes to what changed most.) A
/// cell's mean is of sixteen of its rows at most: in a large frame, what is thinner than a few of its rows may not be seen to move.
///
/// ```
/// use glimpse_models::PatchGrid;
/// use glimpse_runtime::{Frame, MotionBudget};
/// use ndarray::{Array3, s};
///
/// let grid = PatchGrid::new(64, 64, 16)?;
/// let mut budget = MotionBudget::new(grid);
/// let still = Array3::<u8>::zeros((120, 160, 3));
/// for _ in 0..4 {
///     budget.mask(&Frame::from_pixels(still.clone())?, 4, &[])?; // all sixteen are looked at by and by
/// }
/// let mut moved = still.clone();
/// moved.slice_mut(s![90.., 120.., ..]).fill(255); // the last patch
/// assert!(budget.mask(&Frame::from_pixels(moved)?, 4, &[])?.visible().contains(&15));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MotionBudget {
    grid: PatchGrid,
    /// Each patch as it was when it was last looked at: `[L, 3·CELLS²]`.
    seen: Array2<u8>,
    /// Frames since then; `None` if it never was.
    age: Vec<Option<u32>>,
}

impl MotionBudget {
    /// Nothing has been looked at.
    #[must_use]
    pub fn new(grid: PatchGrid) -> Self {
        Self { grid, seen: Array2::zeros((grid.len(), 3 * CELLS * CELLS)), age: vec![None; grid.len()] }
    }

    /// Spends the budget on a frame.
    ///
    /// # Shapes
    /// - `count`: visible patches; all that may be looked at if there are fewer
    /// - `never`: patches that are not to be looked at
    ///
    /// # Errors
    /// [`Error::NothingVisible`] if nothing may be looked at, [`Error::PatchOutside`] or [`Error::PatchRepeated`] if `never` names no
    /// patch or one twice.
    pub fn mask(&mut self, frame: &Frame, count: usize, never: &[usize]) -> Result<Mask> {
        let grid = self.grid;
        if never.len() >= grid.len() || count == 0 {
            return Err(Error::NothingVisible { len: grid.len() });
        }
        let allowed = Mask::from_masked(grid, never)?;
        let allowed = allowed.visible();
        let now = self.cells(frame);
        let change = |patch: usize| -> u32 {
            let before = self.seen.row(patch);
            now.row(patch).iter().zip(before).map(|(now, before)| u32::from(now.abs_diff(*before)).pow(2)).sum()
        };
        // what was never looked at has changed most
        let mut by_change: Vec<(u32, usize)> =
            allowed.iter().map(|&patch| (self.age[patch].map_or(u32::MAX, |_| change(patch)), patch)).collect();
        by_change.sort_unstable_by_key(|&(change, patch)| (std::cmp::Reverse(change), patch));
        let count = count.min(allowed.len());
        let moved = by_change.iter().filter(|(change, _)| *change > STILL).count();
        // the least that is kept for what does not move
        let by_age = (count / 2).min(count - moved.min(count)).max(count.div_ceil(4).min(count - 1));
        let (first, rest) = by_change.split_at(count - by_age);
        let mut rest: Vec<usize> = rest.iter().map(|&(_, patch)| patch).collect();
        rest.sort_by_key(|&patch| std::cmp::Reverse(self.age[patch].unwrap_or(u32::MAX)));
        let visible: Vec<usize> = first.iter().map(|&(_, patch)| patch).chain(rest.into_iter().take(by_age)).collect();
        for age in self.age.iter_mut().flatten() {
            *age = age.saturating_add(1);
        }
        for &patch in &visible {
            self.age[patch] = Some(0);
            self.seen.row_mut(patch).assign(&now.row(patch));
        }
        Mask::from_visible(grid, &visible)
    }

    /// Each patch in a few pixels: `[L, 3·CELLS²]`.
    fn cells(&self, frame: &Frame) -> Array2<u8> {
        let columns = CELLS * self.grid.cols();
        let small = cells(frame, [CELLS * self.grid.rows(), columns]);
        Array2::from_shape_fn((self.grid.len(), 3 * CELLS * CELLS), |(patch, place)| {
            let (row, col) = self.grid.position(patch);
            let (cell, channel) = (place / 3, place % 3);
            small[(CELLS * row + cell / CELLS) * columns + CELLS * col + cell % CELLS][channel]
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;

    fn grid() -> PatchGrid {
        PatchGrid::new(64, 64, 8).unwrap()
    }

    fn given(pixels: &Array3<u8>) -> Frame {
        Frame::from_pixels(pixels.clone()).unwrap()
    }

    #[test]
    fn what_moves_is_seen_at_once_and_what_does_not_by_and_by() {
        let mut budget = MotionBudget::new(grid());
        let mut frame = Array3::<u8>::from_elem((64, 64, 3), 90);
        let mut unseen: Vec<usize> = (0..64).collect();
        for _ in 0..4 {
            let mask = budget.mask(&given(&frame), 16, &[]).unwrap();
            assert_eq!(mask.visible().len(), 16);
            unseen.retain(|patch| !mask.visible().contains(patch));
        }
        assert!(unseen.is_empty(), "{unseen:?}");
        // a thing of one patch goes along a row; where it was has changed, too
        let mut seen = vec![0; 64];
        for col in 0..8 {
            frame.fill(90);
            frame.slice_mut(s![24..32, 8 * col..8 * (col + 1), ..]).fill(200);
            let mask = budget.mask(&given(&frame), 8, &[]).unwrap();
            assert!(mask.visible().contains(&(24 + col)), "{col}: {:?}", mask.visible());
            mask.visible().iter().for_each(|&patch| seen[patch] += 1);
        }
        // half of the rest of the budget went round the others
        assert!(seen.iter().filter(|&&count| count > 0).count() >= 8 + 20, "{seen:?}");
    }

    #[test]
    fn everything_is_seen_though_everything_moves() {
        let mut budget = MotionBudget::new(grid());
        let mut last = [0; 64];
        for number in 1..200u32 {
            // the upper half moves more than the lower one
            let frame = Array3::from_shape_fn((64, 64, 3), |(y, x, _)| {
                let swing = if y < 32 { 200 } else { 40 };
                ((x as u32 * 31 + y as u32 * 17 + number * 97) % swing) as u8
            });
            for &patch in budget.mask(&given(&frame), 2, &[]).unwrap().visible() {
                last[patch] = number;
            }
        }
        assert!(last.iter().all(|&number| number > 199 - 64), "{last:?}");
    }

    #[test]
    fn slow_changes_add_up() {
        let mut budget = MotionBudget::new(grid());
        let mut frame = Array3::<u8>::from_elem((64, 64, 3), 50);
        (0..8).for_each(|_| drop(budget.mask(&given(&frame), 8, &[]).unwrap()));
        let mut seen = Vec::new();
        for _ in 0..30 {
            // a grey level a frame, in one patch
            frame.slice_mut(s![..8, ..8, ..]).map_inplace(|grey| *grey += 1);
            seen.push(budget.mask(&given(&frame), 2, &[]).unwrap().visible().contains(&0));
        }
        assert!(seen.iter().filter(|&&is_seen| is_seen).count() >= 4, "{seen:?}");
    }

    #[test]
    fn what_is_never_to_be_seen_is_not() {
        let mut budget = MotionBudget::new(grid());
        let never: Vec<usize> = (0..60).collect();
        for grey in [0, 90, 250] {
            let frame = Array3::<u8>::from_elem((30, 50, 3), grey);
            assert_eq!(budget.mask(&given(&frame), 16, &never).unwrap().visible(), [60, 61, 62, 63]);
        }
        let frame = Array3::<u8>::zeros((8, 8, 3));
        let all: Vec<usize> = (0..64).collect();
        assert!(matches!(budget.mask(&given(&frame), 4, &all), Err(Error::NothingVisible { .. })));
        assert!(matches!(budget.mask(&given(&frame), 0, &[]), Err(Error::NothingVisible { .. })));
        assert!(matches!(budget.mask(&given(&frame), 4, &[64]), Err(Error::PatchOutside { .. })));
        assert!(matches!(budget.mask(&given(&frame), 4, &[3, 3]), Err(Error::PatchRepeated { .. })));
    }
}
