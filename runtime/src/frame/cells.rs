//! A frame in a few pixels.

use std::ops::Range;

use super::{ChannelOf, Frame, PlaneOf};

/// The most rows that a cell's mean is of: 8 bits of each fit into 16 together.
const MOST_ROWS: usize = 8;

/// Bytes that are added side by side: whole pixels in each layout.
const LANES: usize = 12;

/// The means of a frame's cells in red, green and blue, each of a few of the cell's rows: `[rows, columns]`.
pub(crate) fn cells(frame: &Frame, [rows, columns]: [usize; 2]) -> Vec<[u8; 3]> {
    let shape = frame.shape();
    let mut cells = vec![[0; 3]; rows * columns];
    for plane in shape.layout.planes(shape.height, shape.width) {
        let mut sums = vec![0; plane.row_len];
        for (row, cells) in cells.chunks_exact_mut(columns).enumerate() {
            let count = add_rows(frame.bytes(), &plane, part(plane.rows, row, rows), &mut sums);
            means(&plane, &sums, count, cells);
        }
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
fn means(plane: &PlaneOf, sums: &[u16], rows: usize, cells: &mut [[u8; 3]]) {
    // bytes in which all channels come round
    let unit = plane.channels.iter().map(|channel| channel.step).max().unwrap_or(1);
    let (units, columns) = (plane.row_len / unit, cells.len());
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

    #[test]
    fn cells_are_means_in_every_layout() {
        // left half and right half of another colour: Y, U, V, or red, green, blue
        let halves = [[60, 90, 200], [180, 140, 100]];
        for (height, width) in [(1, 2), (2, 8), (37, 64), (480, 640)] {
            for layout in [
                Layout::Rgb,
                Layout::Rgba,
                Layout::Bgr,
                Layout::Yuyv,
                Layout::Uyvy,
                Layout::Nv12,
                Layout::I420,
                Layout::I422,
                Layout::I444,
            ] {
                let mut bytes = vec![0; layout.bytes(height, width)];
                for plane in layout.planes(height, width) {
                    for row in 0..plane.rows {
                        for channel in &plane.channels {
                            for x in 0..channel.len {
                                let half = halves[usize::from(2 * x >= channel.len && channel.len > 1)];
                                bytes[plane.start + row * plane.row_len + channel.offset + x * channel.step] =
                                    half[channel.to];
                            }
                        }
                    }
                }
                let frame = Frame::new(layout, ColourRange::Full, [height, width], bytes).unwrap();
                let is_whole = width > 2;
                let expected = halves.map(|half| if layout.is_yuv() { ColourRange::Full.rgb(half) } else { half });
                for cells in cells(&frame, [3, 2]).chunks(2).filter(|_| is_whole) {
                    assert_eq!(cells, expected, "{layout:?} {height}×{width}");
                }
            }
        }
        let grey = Frame::new(Layout::Grey, ColourRange::Limited, [2, 2], vec![10, 20, 30, 41]).unwrap();
        assert_eq!(cells(&grey, [1, 1]), [[25; 3]]);
        assert_eq!(cells(&grey, [2, 4]), [[10; 3], [10; 3], [20; 3], [20; 3], [30; 3], [30; 3], [41; 3], [41; 3]]);
    }
}
