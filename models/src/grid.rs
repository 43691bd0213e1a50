//! The cutting of a picture into square patches.

use crate::Error;

/// A picture's patches: `rows × cols` squares of `patch × patch` pixels, counted row by row from the top left.
///
/// A grid that exists has at least one patch, and its picture's sides are whole multiples of the patch side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PatchGrid {
    rows: usize,
    cols: usize,
    patch: usize,
}

impl PatchGrid {
    /// The longest side of a picture that a grid covers, so that no count of its values overflows.
    pub const MAX_SIDE_PX: usize = 1 << 14;

    /// The grid over a picture of `height_px × width_px`, in patches of `patch_px × patch_px`.
    ///
    /// # Units
    /// Pixels.
    ///
    /// # Errors
    /// [`Error::Grid`] if a side is 0, longer than [`Self::MAX_SIDE_PX`], or no multiple of `patch_px`.
    pub fn new(height_px: usize, width_px: usize, patch_px: usize) -> Result<Self, Error> {
        let fits =
            |side: usize| (1..=Self::MAX_SIDE_PX).contains(&side) && patch_px > 0 && side.is_multiple_of(patch_px);
        if !fits(height_px) || !fits(width_px) {
            return Err(Error::Grid { height_px, width_px, patch_px });
        }
        Ok(Self { rows: height_px / patch_px, cols: width_px / patch_px, patch: patch_px })
    }

    /// The square grid of a spec, whose own check has shown that `patch` divides `side`.
    pub(crate) const fn square(side: usize, patch: usize) -> Self {
        Self { rows: side / patch, cols: side / patch, patch }
    }

    /// `L`: how many patches there are; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a grid is never empty")]
    pub const fn len(&self) -> usize {
        self.rows * self.cols
    }

    /// Rows of patches.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of patches.
    #[must_use]
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// `P`: the side of a patch in pixels.
    #[must_use]
    pub const fn patch(&self) -> usize {
        self.patch
    }

    /// `P·P·3`: the values of one RGB patch.
    #[must_use]
    pub const fn patch_len(&self) -> usize {
        self.patch * self.patch * 3
    }

    /// `H`: the picture's height in pixels.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.rows * self.patch
    }

    /// `W`: the picture's width in pixels.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.cols * self.patch
    }

    /// The index, below `L`, of the patch at `row` (below [`rows`](Self::rows)) and `col` (below [`cols`](Self::cols)).
    #[must_use]
    pub const fn index(&self, row: usize, col: usize) -> usize {
        row * self.cols + col
    }

    /// The `(row, col)` of the patch with `index` (below `L`).
    #[must_use]
    pub const fn position(&self, index: usize) -> (usize, usize) {
        (index / self.cols, index % self.cols)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_place_has_one_index(rows in 1_usize..40, cols in 1_usize..40, patch in 1_usize..33) {
            let grid = PatchGrid::new(rows * patch, cols * patch, patch).unwrap();
            prop_assert_eq!((grid.rows(), grid.cols(), grid.patch()), (rows, cols, patch));
            let places: Vec<_> = (0..grid.len()).map(|index| grid.position(index)).collect();
            let expected: Vec<_> = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))).collect();
            prop_assert_eq!(&places, &expected);
            for (index, &(row, col)) in places.iter().enumerate() {
                prop_assert_eq!(grid.index(row, col), index);
            }
        }

        #[test]
        fn patches_cover_the_picture_exactly(rows in 1_usize..40, cols in 1_usize..40, patch in 1_usize..33) {
            let grid = PatchGrid::new(rows * patch, cols * patch, patch).unwrap();
            prop_assert_eq!(grid.len() * grid.patch_len(), grid.height() * grid.width() * 3);
        }

        #[test]
        fn what_does_not_divide_is_refused(height in 0_usize..100, width in 0_usize..100, patch in 0_usize..40) {
            let whole = |side: usize| side > 0 && patch > 0 && side.is_multiple_of(patch);
            prop_assert_eq!(PatchGrid::new(height, width, patch).is_ok(), whole(height) && whole(width));
        }
    }

    #[test]
    fn a_huge_picture_is_refused() {
        let grid = PatchGrid::new(usize::MAX, usize::MAX, 1);
        assert!(matches!(grid, Err(Error::Grid { height_px: usize::MAX, .. })));
    }
}
