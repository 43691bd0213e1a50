//! Any CPU at all.

use super::machine::{Machine, bytes_at, half};
use super::{BLOCK_ROWS, Column, STRIP, Tile};

#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Machine for Portable {
    #[inline(always)]
    fn strip(self, lines: &[u8], row_len: usize, taps: &[i16], shift: u32) -> [u8; STRIP] {
        let mut strip = [0; STRIP];
        for (at, values) in strip.as_chunks_mut::<BLOCK_ROWS>().0.iter_mut().enumerate() {
            let mut sums = [half(shift); BLOCK_ROWS];
            for (k, tap) in taps.iter().enumerate() {
                add(&mut sums, &bytes_at(lines, k * row_len + at * BLOCK_ROWS), *tap);
            }
            *values = bytes(sums, shift);
        }
        strip
    }

    #[inline(always)]
    fn turned(self, tile: &Tile) -> [Column; STRIP] {
        let mut turned = [[0; BLOCK_ROWS]; STRIP];
        for (row, values) in tile.iter().enumerate() {
            for (column, value) in turned.iter_mut().zip(values) {
                column[row] = *value;
            }
        }
        turned
    }

    #[inline(always)]
    fn column(self, columns: &[Column], step: usize, taps: &[i16], shift: u32) -> Column {
        let mut sums = [half(shift); BLOCK_ROWS];
        for (column, tap) in columns.iter().step_by(step).zip(taps) {
            add(&mut sums, column, *tap);
        }
        bytes(sums, shift)
    }
}

/// [`Machine::strip`] of rows that are shorter than a strip, as much as there is.
pub fn narrow(lines: &[u8], row_len: usize, taps: &[i16], shift: u32, strip: &mut [u8; STRIP]) {
    for (at, value) in strip.iter_mut().enumerate().take(row_len) {
        let sum: i32 =
            lines[at..].iter().step_by(row_len).zip(taps).map(|(x, tap)| i32::from(*x) * i32::from(*tap)).sum();
        *value = byte(half(shift) + sum, shift);
    }
}

#[inline(always)]
fn add(sums: &mut [i32; BLOCK_ROWS], values: &[u8; BLOCK_ROWS], tap: i16) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += i32::from(*value) * i32::from(tap);
    }
}

#[inline(always)]
fn bytes(sums: [i32; BLOCK_ROWS], shift: u32) -> [u8; BLOCK_ROWS] {
    sums.map(|sum| byte(sum, shift))
}

#[inline(always)]
fn byte(sum: i32, shift: u32) -> u8 {
    (sum >> shift).clamp(0, 255) as u8
}
