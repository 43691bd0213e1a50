//! Which patches the encoder may see, and where the others go in the decoder's grid.

mod draw;

use glimpse_models::PatchGrid;
use ndarray::{Array2, ArrayView2, s};

use crate::{Error, Result};

/// A partition of a grid's patches into visible and masked ones.
///
/// A mask that exists is right: both lists are sorted, no patch is named twice, each patch is in
/// exactly one of them, and at least one is visible. Patches are counted row by row from the
/// picture's top left corner.
///
/// ```
/// use glimpse_models::PatchGrid;
/// use glimpse_runtime::Mask;
///
/// let grid = PatchGrid::new(64, 64, 16)?;
/// let mask = Mask::random(grid, 0.75, 7)?;
/// assert_eq!((mask.visible().len(), mask.masked().len()), (4, 12));
/// # Ok::<(), glimpse_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    grid: PatchGrid,
    visible: Vec<usize>,
    masked: Vec<usize>,
    positions: Vec<i64>,
    restore: Vec<i64>,
}

impl Mask {
    /// Hides nothing: the mask for features of the whole picture.
    #[must_use]
    pub fn all_visible(grid: PatchGrid) -> Self {
        Self::partition(grid, &vec![false; grid.len()])
    }

    /// Hides single patches drawn at random: `ratio` of the grid, to the nearest patch, less one
    /// where none would stay visible. The same seed gives the same mask on every platform.
    ///
    /// # Errors
    /// [`Error::Ratio`] if `ratio` is not in `0.0..1.0`.
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, section 3, "Masking".
    pub fn random(grid: PatchGrid, ratio: f32, seed: u64) -> Result<Self> {
        let count = masked_count(grid, ratio)?;
        Ok(Self::partition(grid, &draw::singles(grid, count, seed)))
    }

    /// Hides rectangles of random place, size and aspect until exactly as many patches are hidden
    /// as [`Mask::random`] would hide: closer to what a person wants painted in. The same seed
    /// gives the same mask on every platform.
    ///
    /// # Errors
    /// [`Error::Ratio`] if `ratio` is not in `0.0..1.0`.
    ///
    /// # Source
    /// After Bao et al. 2021, arXiv:2106.08254, algorithm 1.
    pub fn blocks(grid: PatchGrid, ratio: f32, seed: u64) -> Result<Self> {
        let count = masked_count(grid, ratio)?;
        Ok(Self::partition(grid, &draw::blocks(grid, count, seed)))
    }

    /// Hides the named patches, in any order.
    ///
    /// # Errors
    /// [`Error::PatchOutside`], [`Error::PatchRepeated`], or [`Error::NothingVisible`] if all are
    /// named.
    pub fn from_masked(grid: PatchGrid, masked: &[usize]) -> Result<Self> {
        let hidden = flags(grid, masked)?;
        Self::from_hidden(grid, &hidden)
    }

    /// Hides all patches but the named ones, in any order.
    ///
    /// # Errors
    /// [`Error::PatchOutside`], [`Error::PatchRepeated`], or [`Error::NothingVisible`] if none is
    /// named.
    pub fn from_visible(grid: PatchGrid, visible: &[usize]) -> Result<Self> {
        let mut hidden = flags(grid, visible)?;
        for hidden in &mut hidden {
            *hidden = !*hidden;
        }
        Self::from_hidden(grid, &hidden)
    }

    /// Hides each patch that has a hidden pixel.
    ///
    /// # Shapes
    /// - `hole`: `[H, W]`, the grid's height and width in pixels; `true` is hidden
    ///
    /// # Errors
    /// [`Error::Shape`] if the hole is not as large as the grid, [`Error::NothingVisible`] if each
    /// patch has a hidden pixel.
    pub fn from_pixels(grid: PatchGrid, hole: ArrayView2<bool>) -> Result<Self> {
        Error::check_shape("hole", &[grid.height(), grid.width()], hole.shape())?;
        let tiles = hole.exact_chunks((grid.patch(), grid.patch())).into_iter();
        let hidden: Vec<bool> = tiles.map(|tile| tile.iter().any(|&pixel| pixel)).collect();
        Self::from_hidden(grid, &hidden)
    }

    /// Which pixels lie in masked patches.
    ///
    /// # Shapes
    /// - returns `[H, W]`, the grid's height and width in pixels
    pub(crate) fn masked_pixels(&self) -> Array2<bool> {
        let (grid, patch) = (self.grid, self.grid.patch());
        let mut pixels = Array2::from_elem((grid.height(), grid.width()), false);
        for &index in &self.masked {
            let (row, col) = grid.position(index);
            pixels.slice_mut(s![row * patch..(row + 1) * patch, col * patch..(col + 1) * patch]).fill(true);
        }
        pixels
    }

    /// # Errors
    /// [`Error::OtherGrid`] if the mask divides another grid.
    pub(crate) fn check_grid(&self, grid: PatchGrid) -> Result<()> {
        if self.grid == grid {
            return Ok(());
        }
        let (rows, cols) = (grid.rows(), grid.cols());
        Err(Error::OtherGrid { rows, cols, got_rows: self.grid.rows(), got_cols: self.grid.cols() })
    }

    /// The grid that this mask divides.
    #[must_use]
    pub fn grid(&self) -> PatchGrid {
        self.grid
    }

    /// The `N` patches that the encoder reads, in rising order.
    #[must_use]
    pub fn visible(&self) -> &[usize] {
        &self.visible
    }

    /// The `L − N` patches that it does not see, in rising order.
    #[must_use]
    pub fn masked(&self) -> &[usize] {
        &self.masked
    }

    /// The encoder's `positions`: [`Mask::visible`] as the graph wants it, `[N]`.
    #[must_use]
    pub fn positions(&self) -> &[i64] {
        &self.positions
    }

    /// The decoder's `restore`, `[L]`: 0 at a masked place, `i + 1` at the place of the `i`-th
    /// visible patch.
    #[must_use]
    pub fn restore(&self) -> &[i64] {
        &self.restore
    }

    fn from_hidden(grid: PatchGrid, hidden: &[bool]) -> Result<Self> {
        if hidden.iter().all(|&hidden| hidden) {
            return Err(Error::NothingVisible { len: grid.len() });
        }
        Ok(Self::partition(grid, hidden))
    }

    /// `hidden` has a flag for each patch, and one of them at least is `false`.
    fn partition(grid: PatchGrid, hidden: &[bool]) -> Self {
        let (masked, visible): (Vec<usize>, Vec<usize>) = (0..grid.len()).partition(|&index| hidden[index]);
        let mut restore = vec![0; grid.len()];
        for (token, &index) in visible.iter().enumerate() {
            restore[index] = token as i64 + 1;
        }
        let positions = visible.iter().map(|&index| index as i64).collect();
        Self { grid, visible, masked, positions, restore }
    }
}

fn masked_count(grid: PatchGrid, ratio: f32) -> Result<usize> {
    if !(0.0..1.0).contains(&ratio) {
        return Err(Error::Ratio { ratio });
    }
    let count = (grid.len() as f64 * f64::from(ratio)).round() as usize;
    Ok(count.min(grid.len() - 1))
}

fn flags(grid: PatchGrid, named: &[usize]) -> Result<Vec<bool>> {
    let mut flags = vec![false; grid.len()];
    for &index in named {
        let flag = flags.get_mut(index).ok_or(Error::PatchOutside { index, len: grid.len() })?;
        if std::mem::replace(flag, true) {
            return Err(Error::PatchRepeated { index });
        }
    }
    Ok(flags)
}
