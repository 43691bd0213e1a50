//! The parts of a frame that are looked at, resized.

use std::ops::Range;

use glimpse_kernels::resize::{BLOCK_ROWS, Block, Channel, Plane, Scratch, resize_block};
use ndarray::ArrayView3;

use super::taps::Taps;
use crate::Mask;

/// Resizes what is visible of frames of one shape.
#[derive(Debug)]
pub(crate) struct VisibleResizer {
    /// Height, width, bytes of a pixel.
    shape: [usize; 3],
    side: usize,
    rows: Taps,
    columns: Taps,
    scratch: Scratch,
}

impl VisibleResizer {
    /// For frames of this shape, to pictures with this side.
    pub(crate) fn new(shape: [usize; 3], side: usize) -> Self {
        let [height, width, _] = shape;
        Self { shape, side, rows: Taps::new(height, side), columns: Taps::new(width, side), scratch: Scratch::default() }
    }

    pub(crate) fn is_for(&self, shape: [usize; 3]) -> bool {
        self.shape == shape
    }

    /// # Shapes
    /// - `frame`: `[H, W, 3]` or `[H, W, 4]`
    /// - `resized`: `[S, S, 3]`, of which what is visible is written
    pub(crate) fn resize(&mut self, frame: ArrayView3<u8>, mask: &Mask, resized: &mut [u8]) {
        let [_, width, step] = self.shape;
        let frame = frame.as_standard_layout();
        let channels: [Channel; 3] =
            std::array::from_fn(|to| Channel { offset: to, step, columns: self.columns.side(), to });
        let bytes = frame.as_slice().unwrap_or_default();
        let plane = Plane { bytes, row_len: width * step, rows: self.rows.side(), channels: &channels };
        let patch = mask.grid().patch();
        for (row, columns) in runs(mask) {
            let (left, width) = (columns.start * patch, columns.len() * patch);
            for top in (row * patch..(row + 1) * patch).step_by(BLOCK_ROWS) {
                let height = BLOCK_ROWS.min((row + 1) * patch - top);
                resize_block(&plane, Block { top, left, height, width }, &mut self.scratch, resized, self.side);
            }
        }
    }
}

/// Visible patches that lie side by side: their row, and their columns.
fn runs(mask: &Mask) -> Vec<(usize, Range<usize>)> {
    let mut places = mask.visible().to_vec();
    places.sort_unstable();
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for place in places {
        let (row, column) = mask.grid().position(place);
        match runs.last_mut() {
            Some((last, columns)) if *last == row && columns.end == column => columns.end += 1,
            _ => runs.push((row, column..column + 1)),
        }
    }
    runs
}
