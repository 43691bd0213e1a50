//! The parts of a frame that are looked at, resized.

use std::ops::Range;

use glimpse_kernels::resize::{BLOCK_ROWS, Block, Channel, Plane, Scratch, resize_block};

use super::taps::Taps;
use crate::frame::{ChannelOf, FrameShape, PlaneOf, Samples};
use crate::{Frame, Mask};

/// What frames of one shape are resized by.
#[derive(Debug)]
pub(crate) struct Resizing {
    pub(crate) shape: FrameShape,
    pub(crate) planes: Vec<PlaneOf>,
    /// In the order of what they are for.
    taps: Vec<(Samples, Taps)>,
}

impl Resizing {
    /// To pictures with this side.
    pub(crate) fn new(shape: FrameShape, side: usize) -> Self {
        let planes = shape.layout.planes(shape.height, shape.width);
        let samples = planes
            .iter()
            .flat_map(|plane| std::iter::once(plane.rows).chain(plane.channels.iter().map(|channel| channel.samples)));
        let mut samples: Vec<Samples> = samples.collect();
        samples.sort_unstable();
        samples.dedup();
        let taps = samples.into_iter().map(|samples| (samples, Taps::new(samples, side))).collect();
        Self { shape, planes, taps }
    }

    /// For one of its planes' sides.
    pub(crate) fn taps(&self, samples: Samples) -> &Taps {
        &self.taps[self.taps.partition_point(|(other, _)| *other < samples)].1
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

    /// # Shapes
    /// - `resized`: `[S, S, 3]`, of which what is visible is written
    pub(crate) fn resize(&mut self, frame: &Frame, mask: &Mask, resized: &mut [u8]) {
        let Self { resizing, side, scratch } = self;
        let patch = mask.grid().patch();
        let runs = runs(mask);
        for PlaneOf { start, rows, row_len, channels } in &resizing.planes {
            let bytes = &frame.bytes()[*start..*start + rows.len() * row_len];
            let side_of = |&ChannelOf { offset, step, samples, to }: &ChannelOf| Channel {
                offset,
                step,
                columns: resizing.taps(samples).side(),
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
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for &place in mask.visible() {
        let (row, column) = mask.grid().position(place);
        match runs.last_mut() {
            Some((last, columns)) if *last == row && columns.end == column => columns.end += 1,
            _ => runs.push((row, column..column + 1)),
        }
    }
    runs
}
