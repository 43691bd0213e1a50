//! Which patches a training sample hides.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use glimpse_models::PatchGrid;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// How hidden patches lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MaskKind {
    /// Each patch by itself, as in the paper.
    Random,
    /// Rectangles, until enough is hidden: what stands in front of a picture is in one piece.
    Block,
    /// Half of the batches random, half blocks.
    Mixed,
}

/// Least and greatest part of the patches to hide, written `0.25..0.8` or `0.75`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioRange {
    least: f64,
    most: f64,
}

impl FromStr for RatioRange {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let number = |part: &str| {
            part.parse::<f64>().with_context(|| format!("`{part}` is not a number; write a ratio as 0.75 or 0.25..0.8"))
        };
        let range = Self { least: number(least)?, most: number(most)? };
        ensure!(
            0.0 < range.least && range.least <= range.most && range.most < 1.0,
            "`{text}` is no range of ratios: both lie between 0 and 1, the smaller first"
        );
        Ok(range)
    }
}

impl fmt::Display for RatioRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.least, self.most)
    }
}

/// How to draw masks.
#[derive(Clone, Copy, Debug)]
pub struct MaskSpec {
    /// How hidden patches lie.
    pub kind: MaskKind,
    /// How many of them there are.
    pub ratio: RatioRange,
}

/// Whether pictures of that grid can be hidden in part.
///
/// # Errors
/// When there is one patch alone.
pub fn check_grid(grid: &PatchGrid) -> anyhow::Result<()> {
    ensure!(
        grid.len() > 1,
        "a picture of one patch cannot be hidden and shown at once: give a --patch-side smaller than --image-side"
    );
    Ok(())
}

impl MaskSpec {
    /// Draws, for a whole batch, how many patches are hidden and how they lie: every sample of a batch hides as many. The grid
    /// is one that [`check_grid`] lets pass.
    pub fn draw(&self, grid: &PatchGrid, rng: &mut Pcg64) -> (usize, MaskKind) {
        let ratio = rng.random_range(self.ratio.least..=self.ratio.most);
        let hidden = ((ratio * grid.len() as f64).round() as usize).clamp(1, grid.len() - 1);
        let kind = match self.kind {
            MaskKind::Mixed if rng.random::<bool>() => MaskKind::Random,
            MaskKind::Mixed => MaskKind::Block,
            kind => kind,
        };
        (hidden, kind)
    }
}

/// Whether each patch is hidden, `hidden` of them in all.
pub fn draw_hidden(grid: &PatchGrid, hidden: usize, kind: MaskKind, rng: &mut Pcg64) -> Vec<bool> {
    match kind {
        MaskKind::Random | MaskKind::Mixed => {
            let mut mask: Vec<bool> = (0..grid.len()).map(|i| i < hidden).collect();
            mask.shuffle(rng);
            mask
        }
        MaskKind::Block => blocks(grid, hidden, rng),
    }
}

/// Rectangles of random place and shape, one over the other; the last is cut, row by row, to the number wanted.
fn blocks(grid: &PatchGrid, hidden: usize, rng: &mut Pcg64) -> Vec<bool> {
    let mut mask = vec![false; grid.len()];
    let mut count = 0;
    while count < hidden {
        let area = rng.random_range(1..=hidden - count) as f64;
        let aspect = rng.random_range(-1.2f64..1.2).exp();
        let height = ((area * aspect).sqrt().round() as usize).clamp(1, grid.rows());
        let width = ((area / aspect).sqrt().round() as usize).clamp(1, grid.cols());
        let top = rng.random_range(0..=grid.rows() - height);
        let left = rng.random_range(0..=grid.cols() - width);
        for row in top..top + height {
            for col in left..left + width {
                let patch = &mut mask[grid.index(row, col)];
                if !*patch && count < hidden {
                    *patch = true;
                    count += 1;
                }
            }
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_kind_hides_as_many_as_asked() {
        let grid = PatchGrid::new(128, 96, 16).unwrap();
        let mut rng = Pcg64::seed_from_u64(3);
        for kind in [MaskKind::Random, MaskKind::Block] {
            for hidden in [1, 2, 17, 47] {
                let mask = draw_hidden(&grid, hidden, kind, &mut rng);
                assert_eq!(mask.iter().filter(|&&m| m).count(), hidden, "{kind:?}");
            }
        }
    }

    #[test]
    fn blocks_hang_together_more_than_random_patches() {
        let grid = PatchGrid::new(256, 256, 16).unwrap();
        let mut rng = Pcg64::seed_from_u64(4);
        let mut neighbours = |kind| -> usize {
            let mut pairs = 0;
            for _ in 0..20 {
                let mask = draw_hidden(&grid, 64, kind, &mut rng);
                pairs += (0..grid.len() - 1).filter(|&i| mask[i] && mask[i + 1]).count();
            }
            pairs
        };
        assert!(neighbours(MaskKind::Block) > 2 * neighbours(MaskKind::Random));
    }

    #[test]
    fn one_patch_is_refused_and_two_are_drawn_from() {
        assert!(check_grid(&PatchGrid::new(16, 16, 16).unwrap()).unwrap_err().to_string().contains("--patch-side"));
        let grid = PatchGrid::new(32, 16, 16).unwrap();
        check_grid(&grid).unwrap();
        let spec = MaskSpec { kind: MaskKind::Random, ratio: "0.01..0.99".parse().unwrap() };
        assert_eq!(spec.draw(&grid, &mut Pcg64::seed_from_u64(1)).0, 1);
    }

    #[test]
    fn ratios_are_read_and_refused() {
        assert_eq!("0.75".parse::<RatioRange>().unwrap(), RatioRange { least: 0.75, most: 0.75 });
        assert_eq!("0.25..0.8".parse::<RatioRange>().unwrap(), RatioRange { least: 0.25, most: 0.8 });
        for wrong in ["0.8..0.2", "0..0.5", "1", "x", "0.2..1.0", "nan"] {
            assert!(wrong.parse::<RatioRange>().is_err(), "{wrong}");
        }
    }
}
