//! Which of a frame's bytes a GPU is given: those that the visible patches are made of.

use std::ops::Range;

use crate::Mask;
use crate::frame::PlaneOf;
use crate::preprocess::Resizing;

/// What lies between two parts of a row and is copied along, since to begin anew costs as much.
const GAP: usize = 256;

/// The most of a plane, as a fraction, that is taken in parts.
const MOST: [usize; 2] = [3, 4];

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
            end += plane.rows.len() * stride;
            let rows = (0..patches).map(|patch| resizing.taps(plane.rows).reads(places(patch))).collect();
            let columns = (0..patches).map(|patch| {
                let reads = plane.channels.iter().map(|channel| {
                    let reads = resizing.taps(channel.samples).reads(places(patch));
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
        self.planes.last().map_or(0, |plane| plane.start + plane.plane.rows.len() * plane.stride)
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
            let bands = ends.windows(2).map(|ends| {
                let band = ends[0]..ends[1];
                let takes = |column: usize| {
                    let mut patches = rows.iter().enumerate();
                    patches.any(|(row, rows)| {
                        rows.start < band.end && band.start < rows.end && is_visible[grid.index(row, column)]
                    })
                };
                let spans = (0..columns.len()).filter(|&column| takes(column)).map(|column| columns[column].clone());
                (band.clone(), joined(spans))
            });
            let whole = 0..plane.row_len;
            let mut bands: Vec<(Range<usize>, Vec<Range<usize>>)> = bands.collect();
            let len: usize =
                bands.iter().map(|(band, spans)| band.len() * spans.iter().map(Range::len).sum::<usize>()).sum();
            if MOST[1] * len > MOST[0] * plane.rows.len() * plane.row_len {
                bands = vec![(0..plane.rows.len(), vec![whole.clone()])];
            }
            for (band, spans) in bands {
                let row_at = |row: usize| (start + row * stride, plane.start + row * plane.row_len);
                if spans == [whole.clone()] && *stride == plane.row_len {
                    let (to, from) = row_at(band.start);
                    give(to, &bytes[from..from + band.len() * plane.row_len]);
                    continue;
                }
                for (to, from) in band.map(row_at) {
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

#[cfg(test)]
mod tests {
    use glimpse_models::PatchGrid;

    use super::*;
    use crate::frame::FrameShape;
    use crate::{ColourRange, Layout};

    /// All that a mask shows arrives in its place; and little else, where little is shown.
    #[test]
    fn what_is_visible_is_taken_and_what_is_not_stays() {
        let grid = PatchGrid::new(64, 64, 16).unwrap();
        for (layout, height, width) in [(Layout::Rgb, 480, 641), (Layout::Nv12, 481, 640), (Layout::Yuyv, 90, 800)] {
            let shape = FrameShape { layout, range: ColourRange::Limited, height, width };
            let resizing = Resizing::new(shape, 64);
            let parts = Parts::new(&resizing, 4, 16);
            let bytes: Vec<u8> = (0..layout.bytes(height, width)).map(|at| (at % 251 + 1) as u8).collect();
            for ratio in [0.0, 0.25, 0.5, 0.9] {
                let mask = Mask::random(grid, ratio, 3).unwrap();
                let mut taken = vec![0; parts.len()];
                parts.each(&bytes, &mask, |at, part| taken[at..at + part.len()].copy_from_slice(part));
                for PlaneParts { plane, start, stride, rows, columns } in parts.planes() {
                    let mut right = 0;
                    for (y, row) in
                        (0..plane.rows.len()).map(|y| (y, &bytes[plane.start + y * plane.row_len..][..plane.row_len]))
                    {
                        let got = &taken[start + y * stride..][..plane.row_len];
                        for place in mask.visible().iter().map(|&place| grid.position(place)) {
                            let span = columns[place.1].clone();
                            assert!(!rows[place.0].contains(&y) || got[span.clone()] == row[span], "{layout:?} {y}");
                        }
                        // what was not taken is 0
                        assert!(got.iter().zip(row).all(|(got, byte)| *got == 0 || got == byte));
                        right += got.iter().filter(|got| **got != 0).count();
                    }
                    let part = right as f64 / (plane.rows.len() * plane.row_len) as f64;
                    // a patch alone takes two pixels of the picture more on each side
                    let most =
                        (20.0f64 / 16.0).powi(2) * (1.0 - f64::from(ratio)) + GAP as f64 / plane.row_len as f64 / 2.0;
                    assert!(part <= most.min(1.0), "{part} of {layout:?} for {ratio}, and not {most}");
                    assert!(part < 1.0 || ratio < 0.5, "all of {layout:?} for {ratio}");
                    assert!(ratio > 0.0 || part == 1.0);
                }
            }
        }
    }
}
