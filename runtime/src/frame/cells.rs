//! A frame in a few pixels.
#![expect(
    clippy::inline_always,
    reason = "what is dispatched to a machine's vectors is to become part of its vector code"
)]

use std::ops::Range;

use glimpse_kernels::vectorized::vectorized;

use super::{ChannelOf, Frame, PlaneOf};

/// The most rows that a cell's mean is of: all of a frame's would cost more than they tell. 8 bits of each fit into 16 together.
const MOST_ROWS: usize = 16;

/// Bytes that are added side by side: whole pixels in each layout.
const LANES: usize = 12;

/// The means of a frame's cells in red, green and blue, each of a few of the cell's rows: `[rows, columns]`.
pub(crate) fn cells(frame: &Frame, [rows, columns]: [usize; 2]) -> Vec<[u8; 3]> {
    let shape = frame.shape();
    let mut cells = vec![[0; 3]; rows * columns];
    for plane in shape.layout.planes(shape.height, shape.width) {
        let mut sums = vec![0; plane.row_len];
        vectorized(
            #[inline(always)]
            || {
                for (row, cells) in cells.chunks_exact_mut(columns).enumerate() {
                    let count = add_rows(frame.bytes(), &plane, part(plane.rows.len(), row, rows), &mut sums);
                    means(&plane, &sums, count, cells);
                }
            },
        );
    }
    if shape.layout.is_yuv() {
        for cell in &mut cells {
            *cell = shape.range.rgb(*cell);
        }
    }
    cells
}

/// One of so many parts of a side, one place at least.
fn part(len: usize, index: usize, parts: usize) -> Range<usize> {
    let start = (index * len / parts).min(len - 1);
    start..((index + 1) * len / parts).max(start + 1)
}

/// Adds some of these rows up; how many they are.
#[inline(always)]
fn add_rows(bytes: &[u8], plane: &PlaneOf, rows: Range<usize>, sums: &mut [u16]) -> usize {
    let step = rows.len().div_ceil(MOST_ROWS);
    sums.fill(0);
    for row in rows.clone().step_by(step) {
        let row = &bytes[plane.start + row * plane.row_len..][..plane.row_len];
        sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum += u16::from(*byte));
    }
    rows.len().div_ceil(step)
}

/// The cells' means, of a row of sums of so many rows.
#[inline(always)]
fn means(plane: &PlaneOf, sums: &[u16], rows: usize, cells: &mut [[u8; 3]]) {
    // bytes in which all channels come round
    let unit = plane.channels.iter().map(|channel| channel.step).max().unwrap_or(1);
    // what is beyond the last pixel of an odd number is left out, and the pixel with it
    let whole =
        plane.channels.iter().map(|channel| channel.samples.pixels / channel.samples.each * channel.step / unit);
    let (units, columns) = (whole.min().unwrap_or_default().max(1), cells.len());
    for (column, cell) in cells.iter_mut().enumerate() {
        let units = part(units, column, columns);
        let mut lanes = [0; LANES];
        let (whole, rest) = sums[units.start * unit..units.end * unit].as_chunks::<LANES>();
        for sums in whole {
            lanes.iter_mut().zip(sums).for_each(|(lane, sum)| *lane += u32::from(*sum));
        }
        lanes.iter_mut().zip(rest).for_each(|(lane, sum)| *lane += u32::from(*sum));
        for ChannelOf { offset, step, to, .. } in &plane.channels {
            let sum: u32 = lanes.iter().skip(*offset).step_by(*step).sum();
            let count = (units.len() * (unit / step) * rows) as u32;
            cell[*to] = ((sum + count / 2) / count) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColourRange, Layout};

    const LAYOUTS: [Layout; 9] = [
        Layout::Rgb,
        Layout::Rgba,
        Layout::Bgr,
        Layout::Yuyv,
        Layout::Uyvy,
        Layout::Nv12,
        Layout::I420,
        Layout::I422,
        Layout::I444,
    ];

    /// A frame with values by channel and half, and 255 where no value is.
    fn frame(layout: Layout, [height, width]: [usize; 2], value: impl Fn(usize, usize) -> u8) -> Frame {
        let mut bytes = vec![255; layout.bytes(height, width)];
        for plane in layout.planes(height, width) {
            for row in 0..plane.rows.len() {
                for channel in &plane.channels {
                    let len = channel.samples.len();
                    for x in 0..len {
                        let at = plane.start + row * plane.row_len + channel.offset + x * channel.step;
                        bytes[at] = value(channel.to, usize::from(2 * x >= len));
                    }
                }
            }
        }
        Frame::new(layout, ColourRange::Full, [height, width], bytes).unwrap()
    }

    #[test]
    fn what_is_beyond_an_odd_number_of_pixels_is_not_looked_at() {
        for layout in LAYOUTS {
            for size in [[3, 5], [1, 3], [37, 641]] {
                let all = cells(&frame(layout, size, |channel, _| [90, 120, 140][channel]), [2, 3]);
                let expected = if layout.is_yuv() { ColourRange::Full.rgb([90, 120, 140]) } else { [90, 120, 140] };
                assert_eq!(all, [expected; 6], "{layout:?} {size:?}");
            }
        }
    }

    /// A line that is no higher than a pixel of the model's picture is seen wherever it is.
    #[test]
    fn thin_things_are_seen() {
        for height in [480, 720, 1080] {
            let thickness = height / 128;
            for top in (0..height - thickness).step_by(7) {
                let mut bytes = vec![0; height * 64];
                bytes[top * 64..(top + thickness) * 64].fill(255);
                let frame = Frame::new(Layout::Grey, ColourRange::Full, [height, 64], bytes).unwrap();
                let brightest = cells(&frame, [32, 1]).iter().map(|cell| cell[0]).max();
                assert!(brightest > Some(20), "{top} of {height}: {brightest:?}");
            }
        }
    }

    #[test]
    fn cells_are_means_in_every_layout() {
        // left half and right half of another colour: Y, U, V, or red, green, blue
        let halves = [[60, 90, 200], [180, 140, 100]];
        for (height, width) in [(1, 4), (2, 8), (37, 64), (480, 640)] {
            for layout in LAYOUTS {
                let frame = frame(layout, [height, width], |channel, half| halves[half][channel]);
                let expected = halves.map(|half| if layout.is_yuv() { ColourRange::Full.rgb(half) } else { half });
                for cells in cells(&frame, [3, 2]).chunks(2) {
                    assert_eq!(cells, expected, "{layout:?} {height}×{width}");
                }
            }
        }
        let grey = Frame::new(Layout::Grey, ColourRange::Limited, [2, 2], vec![10, 20, 30, 41]).unwrap();
        assert_eq!(cells(&grey, [1, 1]), [[25; 3]]);
        assert_eq!(cells(&grey, [2, 4]), [[10; 3], [10; 3], [20; 3], [20; 3], [30; 3], [30; 3], [41; 3], [41; 3]]);
    }
}
