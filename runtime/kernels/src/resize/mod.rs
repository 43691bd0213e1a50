//! A part of a resized picture, from what it takes of a frame and no more.
//!
//! Rows first, then columns, each sum in fixed point and cut off to a byte: with the bytes that `fast_image_resize` gives of a whole
//! picture.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod machine;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(test)]
mod tests;

use std::ops::Range;

use machine::Machine;

use super::fetch::fetch;

/// The most rows of a block.
pub const BLOCK_ROWS: usize = 16;

/// Bytes of a row that are summed together.
const STRIP: usize = 64;

/// Strips that are fetched before they are read.
const AHEAD: usize = 2;

/// Some bytes of as many rows as a block has.
type Tile = [[u8; STRIP]; BLOCK_ROWS];

/// A place in each row of a block.
type Column = [u8; BLOCK_ROWS];

/// How a side becomes one of another length: `(Σₖ taps[k]·x[first + k] + ½) / 2^shift` at each place.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// For each place, the first that is read.
    pub first: &'a [u32],
    /// `[places, count]`; those that would read beyond the last are not looked at.
    pub taps: &'a [i16],
    /// Taps of a place.
    pub count: usize,
    /// Binary digits behind the point, at least 1.
    pub shift: u32,
    /// What is read from, in places.
    pub len: usize,
}

impl<'a> Side<'a> {
    /// The first that a place reads, and its taps.
    #[inline(always)]
    fn at(self, place: usize) -> (usize, &'a [i16]) {
        let first = self.first[place] as usize;
        (first, &self.taps[place * self.count..][..self.count.min(self.len - first)])
    }
}

/// One of the values that a plane has of each pixel.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// Of the first pixel's, in bytes from a row's beginning.
    pub offset: usize,
    /// From one pixel's to the next one's, in bytes.
    pub step: usize,
    /// How columns are resized.
    pub columns: Side<'a>,
    /// Which of a resized pixel's values it becomes.
    pub to: usize,
}

/// Rows of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// `[rows, row_len]`
    pub bytes: &'a [u8],
    /// Bytes of a row.
    pub row_len: usize,
    /// How rows are resized.
    pub rows: Side<'a>,
    /// What the bytes are of.
    pub channels: &'a [Channel<'a>],
}

/// A part of a resized picture, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Its first row.
    pub top: usize,
    /// Its first column.
    pub left: usize,
    /// [`BLOCK_ROWS`] at most.
    pub height: usize,
    /// At least one column.
    pub width: usize,
}

/// Memory between rows and columns, kept from block to block.
#[derive(Debug, Default)]
pub struct Scratch(Vec<Column>);

/// Resizes what a block takes of a plane.
///
/// # Shapes
/// - `out`: `[S, out_width, 3]`, of which the block's pixels get the values of the plane's channels
///
/// # Panics
/// When a side has not as many places and taps as it says, or reads beyond its plane, when the block lies outside of `out`, or
/// is empty.
pub fn resize_block(plane: &Plane, block: Block, scratch: &mut Scratch, out: &mut [u8], out_width: usize) {
    machine::run(Work { plane, block, scratch, out, out_width });
}

struct Work<'a> {
    plane: &'a Plane<'a>,
    block: Block,
    scratch: &'a mut Scratch,
    out: &'a mut [u8],
    out_width: usize,
}

impl Work<'_> {
    #[inline(always)]
    fn run(&mut self, machine: impl Machine) {
        let span = self.span();
        self.rows(machine, span.clone());
        for channel in self.plane.channels {
            self.channel(machine, channel, span.start);
        }
    }

    /// The bytes of a row that the block takes.
    #[inline(always)]
    fn span(&self) -> Range<usize> {
        let Block { left, width, .. } = self.block;
        let spans = self.plane.channels.iter().map(|&Channel { offset, step, columns, .. }| {
            let (last, taps) = columns.at(left + width - 1);
            offset + columns.at(left).0 * step..offset + (last + taps.len() - 1) * step + 1
        });
        spans.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end)).unwrap_or_default()
    }

    /// Makes the block's rows of the plane's, and turns them into columns.
    ///
    /// A strip at a time, so that its lines are in the first cache when the next row takes them; they are too many for a CPU to see
    /// where they go on, so that they are fetched ahead.
    #[inline(always)]
    fn rows(&mut self, machine: impl Machine, span: Range<usize>) {
        let Plane { bytes, row_len, rows, .. } = *self.plane;
        let Block { top, height, .. } = self.block;
        let columns = &mut self.scratch.0;
        if columns.len() < span.len() {
            columns.resize(span.len().next_multiple_of(STRIP), [0; BLOCK_ROWS]);
        }
        let (first, _) = rows.at(top);
        let (last, taps) = rows.at(top + height - 1);
        let lines = &bytes[first * row_len..(last + taps.len()) * row_len];
        for at in span.clone().step_by(STRIP).take(AHEAD) {
            fetch_strip(lines, row_len, at);
        }
        for (at, columns) in span.clone().step_by(STRIP).zip(columns.as_chunks_mut::<STRIP>().0) {
            if at + AHEAD * STRIP < span.end {
                fetch_strip(lines, row_len, at + AHEAD * STRIP);
            }
            // the last strip may begin before its place: what is beyond the rows' end is not looked at
            let begin = at.min(row_len.saturating_sub(STRIP));
            let mut tile: Tile = [[0; STRIP]; BLOCK_ROWS];
            for (row, values) in (top..top + height).zip(&mut tile) {
                let (first, taps) = rows.at(row);
                let lines = &bytes[first * row_len + begin..];
                if row_len < STRIP {
                    portable::narrow(lines, row_len, taps, rows.shift, values);
                } else {
                    *values = machine.strip(lines, row_len, taps, rows.shift);
                }
            }
            *columns = machine.turned(&tile);
            columns.copy_within(at - begin.., 0);
        }
    }

    /// Makes a channel of the columns, which begin at a byte of the plane's rows.
    #[inline(always)]
    fn channel(&mut self, machine: impl Machine, channel: &Channel, start: usize) {
        let Channel { offset, step, columns, to } = *channel;
        let Block { top, left, height, width } = self.block;
        for x in left..left + width {
            let (first, taps) = columns.at(x);
            let values = machine.column(&self.scratch.0[offset + first * step - start..], step, taps, columns.shift);
            for (y, value) in (top..top + height).zip(values) {
                self.out[3 * (y * self.out_width + x) + to] = value;
            }
        }
    }
}

/// Has the lines' bytes from here on come into the cache.
#[inline(always)]
fn fetch_strip(lines: &[u8], row_len: usize, at: usize) {
    for line in lines.chunks_exact(row_len) {
        fetch(&line[at]);
    }
}
