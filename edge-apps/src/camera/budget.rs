//! Which patches of a frame are looked at.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use glimpse_models::PatchGrid;
use glimpse_runtime::{Frame, Mask, MotionBudget};

use super::random::mixed;
use crate::painting::{Area, THRESHOLD};
use crate::picture::Picture;

/// How many patches of each frame are looked at, and which.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    All,
    /// So many, others in each frame.
    Count(usize),
    /// This share of them, others in each frame.
    Share(f64),
    /// So many: those that changed most.
    Motion(usize),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not all, a number of patches, a share such as 0.25, or motion:N");
        let count = |text: &str| text.parse().ok().filter(|&count| count > 0).ok_or_else(wrong);
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            Some(("motion", number)) => count(number).map(Self::Motion),
            Some(_) => Err(wrong()),
            None if text.contains('.') => {
                text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0).map(Self::Share).ok_or_else(wrong)
            }
            None => count(text).map(Self::Count),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share:?}"),
            Self::Motion(count) => write!(f, "motion:{count}"),
        }
    }
}

impl Budget {
    /// How many patches that is.
    ///
    /// # Errors
    /// When the grid has fewer.
    pub fn count(self, grid: PatchGrid) -> Result<usize> {
        match self {
            Self::All => Ok(grid.len()),
            Self::Share(share) => Ok(((share * grid.len() as f64).round() as usize).max(1)),
            Self::Count(count) | Self::Motion(count) if count <= grid.len() => Ok(count),
            Self::Count(_) | Self::Motion(_) => {
                bail!("--visible {self}: the model has {} patches; give at most that, or `all`", grid.len())
            }
        }
    }
}

/// The choice of patches in one source's frames.
#[derive(Debug)]
pub struct Chooser {
    budget: Budget,
    count: usize,
    seed: u64,
    grid: PatchGrid,
    /// As the command line has them, and as viewers do.
    areas: Vec<Area>,
    live: Vec<Area>,
    /// Patches that a mask hides in frames of any size.
    masked: Vec<usize>,
    motion: MotionBudget,
    /// The patches that are never looked at in frames of a height and width.
    never: Option<([usize; 2], Vec<usize>)>,
    /// Whether areas are those of other sources' frames, too.
    shares_areas: bool,
}

impl Chooser {
    /// # Errors
    /// When the budget is more than the grid has.
    pub fn new(budget: Budget, grid: PatchGrid, areas: &[Area], seed: u64) -> Result<Self> {
        let count = budget.count(grid)?;
        let (areas, live, masked) = (areas.to_vec(), Vec::new(), Vec::new());
        Ok(Self {
            budget,
            count,
            seed,
            grid,
            areas,
            live,
            masked,
            motion: MotionBudget::new(grid),
            never: None,
            shares_areas: false,
        })
    }

    /// With patches that are never looked at, whatever a frame's size.
    pub fn without(mut self, masked: &[usize]) -> Self {
        self.masked = masked.to_vec();
        self
    }

    /// With areas that other sources have, too, whose frames may be larger.
    pub fn with_shared_areas(mut self, shares_areas: bool) -> Self {
        self.shares_areas = shares_areas;
        self
    }

    /// What reaches outside of a frame was meant for another one, and what it was to hide may be in sight.
    fn check_areas(&self, size: [usize; 2]) -> Result<()> {
        for area in self.areas.iter().filter(|area| area.reaches_outside(size)) {
            let [height, width] = size;
            let said = format!("--never {area} reaches outside of a frame of {width}×{height} pixels");
            if !self.shares_areas {
                bail!("{said}: give x,y,width,height in pixels of such a frame, or ask for another one with --size");
            }
            log::warn!("{said}, and hides of it what it touches");
        }
        Ok(())
    }

    /// Changes what is looked at.
    ///
    /// # Errors
    /// When the budget is more than the grid has.
    pub fn set(&mut self, budget: Budget, live: &[Area]) -> Result<()> {
        self.count = budget.count(self.grid)?;
        (self.budget, self.live, self.never) = (budget, live.to_vec(), None);
        Ok(())
    }

    /// Changes how many patches are looked at.
    pub fn set_count(&mut self, count: usize) {
        self.count = count;
    }

    /// What is never looked at, with these areas of viewers.
    fn never(&self, live: &[Area], size: [usize; 2]) -> Vec<usize> {
        never(self.grid, self.areas.iter().chain(live), &self.masked, size)
    }

    /// What is looked at of a frame; nothing where viewers have covered it.
    ///
    /// # Errors
    /// When the command line has.
    pub fn mask(&mut self, frame: &Frame, number: u64) -> Result<Option<Mask>> {
        let size = [frame.height(), frame.width()];
        let never = match self.never.take() {
            Some((of, never)) if of == size => never,
            _ => {
                self.check_areas(size)?;
                self.never(&self.live, size)
            }
        };
        let covers = |never: &[usize]| never.len() == self.grid.len();
        if covers(&never) && !self.live.is_empty() && !covers(&self.never(&[], size)) {
            return Ok(None);
        }
        if covers(&never) {
            bail!(
                "--never and --never-mask cover every patch of a frame of {}×{} pixels: nothing is left to look at",
                size[1],
                size[0]
            );
        }
        let (_, never) = self.never.insert((size, never));
        if matches!(self.budget, Budget::Motion(_)) {
            return Ok(Some(self.motion.mask(frame, self.count, never)?));
        }
        let allowed = Mask::from_masked(self.grid, never)?;
        let mut visible = allowed.visible().to_vec();
        if self.count < visible.len() {
            let of_frame = mixed(self.seed ^ mixed(number));
            visible.sort_by_key(|&patch| mixed(of_frame ^ patch as u64));
            visible.truncate(self.count);
        }
        Ok(Some(Mask::from_visible(self.grid, &visible)?))
    }
}

/// The patches that are white somewhere in a picture of a mask.
///
/// # Errors
/// When it cannot be read, or hides nothing, or everything.
pub fn masked(path: &Path, grid: PatchGrid) -> Result<Vec<usize>> {
    let mask = Picture::read_to_look_at(path)?.into_grey();
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let mut patches: Vec<usize> = Vec::new();
    for (x, y, _) in mask.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > THRESHOLD) {
        // all that a pixel's part of a frame touches, where patches are smaller than it, too
        let span =
            |at: u32, count: usize, side: usize| at as usize * count / side..((at as usize + 1) * count).div_ceil(side);
        for row in span(y, grid.rows(), height) {
            patches.extend(span(x, grid.cols(), width).map(|col| row * grid.cols() + col));
        }
    }
    patches.sort_unstable();
    patches.dedup();
    ensure!(!patches.is_empty(), "the mask {} is empty; paint white what is never to be looked at", path.display());
    ensure!(patches.len() < grid.len(), "the mask {} covers every patch: nothing is left to look at", path.display());
    Ok(patches)
}

/// The patches that areas touch in a frame that is squeezed into the grid, and those that a mask hides; in order.
pub fn never<'a>(
    grid: PatchGrid,
    areas: impl IntoIterator<Item = &'a Area> + Clone,
    masked: &[usize],
    [height, width]: [usize; 2],
) -> Vec<usize> {
    // the first pixel of a row or column of patches, and the first after it
    let span = |index: usize, count: usize, side: usize| (index * side / count, ((index + 1) * side).div_ceil(count));
    let is_touched = |patch: usize| {
        let (row, col) = grid.position(patch);
        let ((top, bottom), (left, right)) = (span(row, grid.rows(), height), span(col, grid.cols(), width));
        areas.clone().into_iter().any(|area| area.touches([left, right], [top, bottom]))
    };
    (0..grid.len()).filter(|patch| masked.contains(patch) || is_touched(*patch)).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn still() -> Frame {
        Frame::from_pixels(Array3::zeros((100, 200, 3))).unwrap()
    }

    fn grid() -> PatchGrid {
        PatchGrid::new(64, 64, 16).unwrap()
    }

    fn chosen(budget: &str, areas: &[&str], number: u64) -> Vec<usize> {
        let areas: Vec<Area> = areas.iter().map(|area| area.parse().unwrap()).collect();
        let mut chooser = Chooser::new(budget.parse().unwrap(), grid(), &areas, 7).unwrap().with_shared_areas(true);
        chooser.mask(&still(), number).unwrap().unwrap().visible().to_vec()
    }

    #[test]
    fn an_area_of_another_frame_is_refused_where_there_is_no_other_source() {
        let area = |text: &str| {
            let mut chooser = Chooser::new(Budget::All, grid(), &[text.parse().unwrap()], 7).unwrap();
            chooser.mask(&still(), 0).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(area("160,60,40,40"), Ok(()));
        for outside in ["161,60,40,40", "160,61,40,40", "400,0,1,1"] {
            let said = area(outside).unwrap_err();
            assert!(said.contains(outside) && said.contains("200×100"), "{said}");
        }
    }

    #[test]
    fn a_budget_reads_as_it_is_written() {
        for text in ["all", "12", "0.25", "1.0", "motion:3"] {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
        }
        for text in ["", "0", "0.0", "1.5", "-3", "motion:", "motion:0", "motion:0.5", "some:3", "few"] {
            assert!(text.parse::<Budget>().unwrap_err().contains("motion:N"), "{text}");
        }
        for text in ["17", "motion:17"] {
            assert!(text.parse::<Budget>().unwrap().count(grid()).unwrap_err().to_string().contains("has 16 patches"));
        }
    }

    #[test]
    fn a_choice_follows_from_seed_and_number() {
        assert_eq!(chosen("5", &[], 3), chosen("5", &[], 3));
        assert_ne!(chosen("5", &[], 3), chosen("5", &[], 4));
        assert_eq!([chosen("5", &[], 3).len(), chosen("0.25", &[], 3).len(), chosen("all", &[], 3).len()], [5, 4, 16]);
    }

    #[test]
    fn what_an_area_touches_is_never_looked_at() {
        // patches are 50 pixels wide and 25 high
        for budget in ["all", "12", "motion:12"] {
            for number in 0..20 {
                let seen = chosen(budget, &["49,0,2,1", "199,99,40,40"], number);
                assert!([0, 1, 15].iter().all(|patch| !seen.contains(patch)), "{budget}: {seen:?}");
            }
        }
        assert_eq!(chosen("all", &["50,25,50,25"], 0).len(), 15);
        let all: Area = "0,0,200,100".parse().unwrap();
        let mut chooser = Chooser::new(Budget::All, grid(), &[all], 0).unwrap();
        let refused = chooser.mask(&still(), 0).unwrap_err();
        assert!(refused.to_string().contains("--never"), "{refused}");
    }

    #[test]
    fn what_is_white_in_a_mask_is_never_looked_at_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let patches = |width: u32, height: u32, white: &[(u32, u32)]| {
            let mut mask = image::GrayImage::new(width, height);
            for &(x, y) in white {
                mask.put_pixel(x, y, image::Luma([255]));
            }
            mask.save(&path).unwrap();
            masked(&path, grid())
        };
        // 4 by 4 patches
        assert_eq!(patches(64, 64, &[(15, 0), (16, 0), (63, 63)]).unwrap(), [0, 1, 15]);
        assert_eq!(patches(2, 1, &[(1, 0)]).unwrap(), [2, 3, 6, 7, 10, 11, 14, 15]);
        // a pixel over the edge of patches
        assert_eq!(patches(6, 4, &[(1, 0)]).unwrap(), [0, 1]);
        assert!(patches(6, 4, &[]).unwrap_err().to_string().contains("is empty"));
        assert!(patches(1, 1, &[(0, 0)]).unwrap_err().to_string().contains("covers every patch"));
        let frame = still();
        for budget in [Budget::All, Budget::Count(9), Budget::Motion(9)] {
            let mut chooser =
                Chooser::new(budget, grid(), &["0,0,1,1".parse().unwrap()], 0).unwrap().without(&[14, 15]);
            let mask = chooser.mask(&frame, 0).unwrap().unwrap();
            assert!([0, 14, 15].iter().all(|patch| !mask.visible().contains(patch)));
        }
    }

    #[test]
    fn what_viewers_ask_for_takes_the_place_of_what_they_asked_for_before() {
        let top: Area = "0,0,200,20".parse().unwrap();
        let mut chooser = Chooser::new(Budget::All, grid(), &[top], 0).unwrap();
        let frame = still();
        let mut seen = |budget: &str, live: &[&str]| {
            let live: Vec<Area> = live.iter().map(|area| area.parse().unwrap()).collect();
            chooser.set(budget.parse().unwrap(), &live).unwrap();
            chooser.mask(&frame, 0).unwrap().map(|mask| mask.visible().to_vec())
        };
        assert_eq!(seen("all", &[]), Some((4..16).collect()));
        assert_eq!(seen("all", &["0,30,200,40"]), Some((12..16).collect()));
        assert_eq!(seen("motion:3", &["0,80,200,9"]).map(|seen| seen.len()), Some(3));
        // all is covered: nothing is looked at, and nothing breaks
        assert_eq!(seen("all", &["0,0,200,100"]), None);
        assert_eq!(seen("all", &[]), Some((4..16).collect()));
        assert!(chooser.set(Budget::Count(17), &[]).is_err());
    }
}
