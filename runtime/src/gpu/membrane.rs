//! Where the grids of the membrane lie.

use std::ops::RangeInclusive;

use wgpu::Limits;

use super::jobs::Job;
use super::params;

/// How near to its end it is, in grey levels of 255: as on the CPU.
const TOLERANCE: f32 = 0.1;
/// Bytes of a cell, and of what flows into it.
const CELL: u32 = 16;

/// The membrane of pictures of a size: its one workgroup, and its cells in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membrane {
    side: u32,
    patch_side: u32,
    /// Grids besides the finest: a half of the side each, until a patch is a cell or its side is odd.
    coarser: u32,
    invocations: u32,
    /// Cells in the buffer, and in the workgroup's memory: the coarsest grids, as many as that has place for.
    pub(super) cells: [u32; 2],
}

impl Membrane {
    /// # Units
    /// Sides in pixels.
    pub(super) fn new(side: u32, patch_side: u32, limits: &Limits) -> Self {
        let most = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        // of those that every GPU has, or four times as many
        let invocations = if most >= 1024 { 1024 } else { 256 };
        // each keeps its largest change there, too
        let place = limits.max_compute_workgroup_storage_size.saturating_sub(4 * invocations) / CELL;
        let coarser = patch_side.trailing_zeros();
        let cells = |levels: RangeInclusive<u32>| levels.map(|level| 2 * (side >> level).pow(2)).sum::<u32>();
        let first = (1..=coarser).find(|&level| cells(level..=coarser) <= place).unwrap_or(coarser + 1);
        let cells = [side * side + cells(1..=first - 1), cells(first..=coarser)];
        Self { side, patch_side, coarser, invocations, cells }
    }

    /// Solves it, the picture's hidden patches being what is not visible of so many places.
    pub(super) fn job(self, places: u32) -> Job {
        let Self { side, patch_side, coarser, invocations, cells: [far, near] } = self;
        let params = params::Membrane { side, patch_side, masked: 0, coarser, far, tolerance: TOLERANCE };
        // no array is empty
        Job::Membrane { places, params, invocations, near: near.max(1) }
    }
}
