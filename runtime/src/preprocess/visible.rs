//! The parts of a frame that are looked at, resized.

use std::ops::Range;

use glimpse_kernels::resize::{BLOCK_ROWS, Block, Channel, Plane, Scratch, resize_block};

use super::taps::Taps;
use crate::frame::{ChannelOf, FrameShape, PlaneOf};
use crate::{Frame, Mask};

/// What frames of one shape are resized by.
#[derive(Debug)]
pub(crate) struct Resizing {
    pub(crate) shape: FrameShape,
    pub(crate) planes: Vec<PlaneOf>,
    /// For sides of each length that there is, that length before them.
    taps: Vec<(usize, Taps)>,
}

impl Resizing {
    /// To pictures with this side.
    pub(crate) fn new(shape: FrameShape, side: usize) -> Self {
        let planes = shape.layout.planes(shape.height, shape.width);
        let lens = planes
            .iter()
            .flat_map(|plane| std::iter::once(plane.rows).chain(plane.channels.iter().map(|channel| channel.len)));
        let mut lens: Vec<usize> = lens.collect();
        lens.sort_unstable();
        lens.dedup();
        let taps = lens.into_iter().map(|len| (len, Taps::new(len, side))).collect();
        Self { shape, planes, taps }
    }

    /// For a side of this length.
    pub(crate) fn taps(&self, len: usize) -> &Taps {
        let found = self.taps.binary_search_by_key(&len, |(len, _)| *len);
        &self.taps[found.unwrap_or_default()].1
    }
}

/// Resizes what is visible of frames of one shape.
#[derive(Debug)]
pub(crate) struct VisibleResizer {
    resizing: Resizing,
    side: usize,
    scratch: Scratch,
}

impl VisibleResizer {
    /// For frames of this shape, to pictures with this side.
    pub(crate) fn new(shape: FrameShape, side: usize) -> Self {
        Self { resizing: Resizing::new(shape, side), side, scratch: Scratch::default() }
    }

    pub(crate) fn is_for(&self, shape: FrameShape) -> bool {
        self.resizing.shape == shape
    }

    /// # Shapes
    /// - `resized`: `[S, S, 3]`, of which what is visible is written
    pub(crate) fn resize(&mut self, frame: &Frame, mask: &Mask, resized: &mut [u8]) {
        let Self { resizing, side, scratch } = self;
        let patch = mask.grid().patch();
        let runs = runs(mask);
        for PlaneOf { start, rows, row_len, channels } in &resizing.planes {
            let bytes = &frame.bytes()[*start..*start + rows * row_len];
            let side_of = |&ChannelOf { offset, step, len, to }: &ChannelOf| Channel {
                offset,
                step,
                columns: resizing.taps(len).side(),
                to,
            };
            let channels: Vec<Channel> = channels.iter().map(side_of).collect();
            let plane = Plane { bytes, row_len: *row_len, rows: resizing.taps(*rows).side(), channels: &channels };
            for (row, columns) in &runs {
                let (left, width) = (columns.start * patch, columns.len() * patch);
                for top in (row * patch..(row + 1) * patch).step_by(BLOCK_ROWS) {
                    let height = BLOCK_ROWS.min((row + 1) * patch - top);
                    resize_block(&plane, Block { top, left, height, width }, scratch, resized, *side);
                }
            }
        }
        if resizing.shape.layout.is_yuv() {
            let lines = runs.iter().flat_map(|(row, columns)| {
                (row * patch..(row + 1) * patch).map(|y| (y * *side + columns.start * patch, columns.len() * patch))
            });
            for (start, width) in lines {
                for pixel in resized[3 * start..3 * (start + width)].as_chunks_mut::<3>().0 {
                    *pixel = resizing.shape.range.rgb(*pixel);
                }
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
