//! Which of a frame's bytes go to a GPU: those that the visible patches are made of.

use std::ops::Range;

use crate::Mask;
use crate::frame::PlaneOf;
use crate::preprocess::Resizing;

/// What lies between two parts of a row and is copied along, since to begin anew costs as much.
const GAP: usize = 256;

/// Where a frame's bytes lie on the GPU, and which of them each patch takes.
#[derive(Debug)]
pub(super) struct Parts {
    planes: Vec<PlaneParts>,
}

/// A plane, its rows of whole words.
#[derive(Debug)]
pub(super) struct PlaneParts {
    plane: PlaneOf,
    /// Of its first row, in bytes.
    start: usize,
    /// Bytes from one row to the next.
    stride: usize,
    /// For each row of patches, the plane's rows that it takes; for each column, the bytes of these.
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
}

impl PlaneParts {
    /// Where it begins, in words.
    pub(super) const fn first_word(&self) -> usize {
        self.start / 4
    }

    /// Of a row.
    pub(super) const fn words(&self) -> usize {
        self.stride / 4
    }
}

impl Parts {
    /// Of frames that are resized to pictures of so many patches of so many pixels along a side.
    pub(super) fn new(resizing: &Resizing, patches: usize, patch_side: usize) -> Self {
        let places = |patch: usize| patch * patch_side..(patch + 1) * patch_side;
        let mut end = 0;
        let planes = resizing.planes.iter().map(|plane| {
            let (start, stride) = (end, plane.row_len.next_multiple_of(4));
            end += plane.rows * stride;
            let rows = (0..patches).map(|patch| resizing.taps(plane.rows).reads(places(patch))).collect();
            let columns = (0..patches).map(|patch| {
                let reads = plane.channels.iter().map(|channel| {
                    let reads = resizing.taps(channel.len).reads(places(patch));
                    channel.offset + reads.start * channel.step..channel.offset + (reads.end - 1) * channel.step + 1
                });
                reads.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end)).unwrap_or_default()
            });
            PlaneParts { plane: plane.clone(), start, stride, rows, columns: columns.collect() }
        });
        Self { planes: planes.collect() }
    }

    /// Bytes of a frame on the GPU.
    pub(super) fn len(&self) -> usize {
        self.planes.last().map_or(0, |plane| plane.start + plane.plane.rows * plane.stride)
    }

    pub(super) fn planes(&self) -> &[PlaneParts] {
        &self.planes
    }

    /// Gives each part of a frame that a mask shows, and where it goes.
    pub(super) fn each<'a>(&self, bytes: &'a [u8], mask: &Mask, mut give: impl FnMut(usize, &'a [u8])) {
        let grid = mask.grid();
        let mut is_visible = vec![false; grid.len()];
        mask.visible().iter().for_each(|&place| is_visible[place] = true);
        for PlaneParts { plane, start, stride, rows, columns } in &self.planes {
            // between two of these, all rows go to the same patches
            let mut ends: Vec<usize> = rows.iter().flat_map(|rows| [rows.start, rows.end]).collect();
            ends.sort_unstable();
            ends.dedup();
            for band in ends.windows(2).map(|ends| ends[0]..ends[1]) {
                let takes = |column: usize| {
                    let patches =
                        rows.iter().enumerate().filter(|(_, rows)| rows.start < band.end && band.start < rows.end);
                    patches.into_iter().any(|(row, _)| is_visible[grid.index(row, column)])
                };
                let spans =
                    joined((0..columns.len()).filter(|&column| takes(column)).map(|column| columns[column].clone()));
                if spans == [0..plane.row_len] && *stride == plane.row_len {
                    let from = plane.start + band.start * plane.row_len;
                    give(start + band.start * stride, &bytes[from..from + band.len() * plane.row_len]);
                    continue;
                }
                for row in band {
                    let (from, to) = (plane.start + row * plane.row_len, start + row * stride);
                    for span in &spans {
                        give(to + span.start, &bytes[from + span.start..from + span.end]);
                    }
                }
            }
        }
    }
}

/// Spans in their order, those in one that are near to each other.
fn joined(spans: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end + GAP => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}
