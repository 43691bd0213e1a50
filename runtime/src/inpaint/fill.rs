//! The classical fills: holes filled without a model.

use std::fmt;

use ndarray::{Array3, ArrayView2, ArrayView3};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::sweep::{self, Rule};
use super::{check, groups::Groups, harmonic};
use crate::{Error, Result, machine};

/// More have nothing to do: a channel is filled by one thread.
const MOST_THREADS: usize = 3;

/// Holes that are at least this far from each other are filled apart: farther than any rule looks.
const APART_PX: usize = 64;

/// A way to fill holes without a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fill {
    /// The smoothest surface that agrees with the hole's rim: each pixel is the mean of its neighbours.
    Membrane,
    /// From the rim inwards, by distance and direction: OpenCV's `INPAINT_TELEA` with a radius of 3 pixels.
    ///
    /// # Source
    /// Telea 2004, "An Image Inpainting Technique Based on the Fast Marching Method".
    Telea,
    /// From the rim inwards, along lines of equal brightness: OpenCV's `INPAINT_NS` with a radius of 3 pixels.
    ///
    /// # Source
    /// Bertalmio et al. 2001, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting".
    NavierStokes,
}

impl Fill {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Membrane, Self::Telea, Self::NavierStokes];

    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Membrane => "membrane",
            Self::Telea => "telea",
            Self::NavierStokes => "ns",
        }
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Fills the hole. Every pixel outside of it is, byte for byte, the picture's. The same inputs give the same bytes, on any
/// number of threads; without a number they are one a core.
///
/// ```
/// use glimpse_runtime::inpaint::{Fill, fill};
/// use ndarray::{Array2, Array3, s};
///
/// let photograph = Array3::<u8>::from_elem((60, 80, 3), 90);
/// let mut hole = Array2::from_elem((60, 80), false);
/// hole.slice_mut(s![10..30, 20..50]).fill(true);
/// let filled = fill(photograph.view(), hole.view(), Fill::NavierStokes, None)?;
/// # assert_eq!(filled, photograph);
/// # Ok::<(), glimpse_runtime::Error>(())
/// ```
///
/// # Shapes
/// - `picture`: `[H, W, 3]`, of any size
/// - `hole`: `[H, W]`, `true` where to fill
/// - returns `[H, W, 3]`
///
/// # Errors
/// [`Error::Shape`] if the two are not of one size, [`Error::EmptyHole`] if there is nothing to fill,
/// [`Error::NothingAround`] if there is nothing else, [`Error::Threads`] if they cannot be had.
pub fn fill(
    picture: ArrayView3<u8>,
    hole: ArrayView2<bool>,
    method: Fill,
    threads: Option<usize>,
) -> Result<Array3<u8>> {
    check(picture, hole)?;
    let groups = Groups::from_hole(hole, APART_PX);
    let mut filled = picture.as_standard_layout().into_owned();
    pool(threads)?.install(|| fill_groups(&mut filled, hole, &groups, method));
    Ok(filled)
}

/// Fills every group of holes from what surrounds it.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`
/// - `hole`: `[H, W]`
pub(super) fn fill_groups(picture: &mut Array3<u8>, hole: ArrayView2<bool>, groups: &Groups, method: Fill) {
    for (index, bounds) in groups.bounds().iter().enumerate() {
        let only = |y: usize, x: usize| groups.holds(index, y, x);
        match method {
            Fill::Membrane => {
                let (height, width) = hole.dim();
                harmonic::fill(picture, hole, bounds.with_rim(height, width), only);
            }
            Fill::Telea => sweep::fill(picture, hole, *bounds, only, Rule::Telea),
            Fill::NavierStokes => sweep::fill(picture, hole, *bounds, only, Rule::NavierStokes),
        }
    }
}

/// The threads that the fills take.
///
/// # Errors
/// [`Error::Threads`] if they cannot be had.
fn pool(threads: Option<usize>) -> Result<ThreadPool> {
    let threads = threads.unwrap_or_else(machine::threads).min(MOST_THREADS);
    let failed = |source: rayon::ThreadPoolBuildError| Error::Threads { threads, source: Some(source.into()) };
    ThreadPoolBuilder::new().num_threads(threads).build().map_err(failed)
}
