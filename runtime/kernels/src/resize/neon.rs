//! 64-bit ARM: bytes widened to words, words times a tap.
//!
//! What takes vectors is a function that is always inlined, and no closure: one that is not inlined is compiled for any CPU.

use std::arch::aarch64::{int32x4_t, uint8x16_t};

use pulp::aarch64::Neon;
use pulp::cast;

use super::machine::{Machine, bytes_at, half};
use super::{BLOCK_ROWS, Column, STRIP, Tile};

/// Vectors of a strip.
const VECTORS: usize = STRIP / 16;

impl Machine for Neon {
    #[inline(always)]
    fn strip(self, lines: &[u8], row_len: usize, taps: &[i16], shift: u32) -> [u8; STRIP] {
        let mut sums = [[self.neon.vdupq_n_s32(half(shift)); 4]; VECTORS];
        for (k, tap) in taps.iter().enumerate() {
            let vectors: [uint8x16_t; VECTORS] = cast(bytes_at::<STRIP>(lines, k * row_len));
            for (sums, bytes) in sums.iter_mut().zip(vectors) {
                add(self, sums, bytes, *tap);
            }
        }
        let mut strip = [self.neon.vdupq_n_u8(0); VECTORS];
        for (to, sums) in strip.iter_mut().zip(sums) {
            *to = bytes(self, sums, shift);
        }
        cast(strip)
    }

    #[inline(always)]
    fn turned(self, tile: &Tile) -> [Column; STRIP] {
        let mut turned = [[0; BLOCK_ROWS]; STRIP];
        for (vector, turned) in turned.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let mut rows = [self.neon.vdupq_n_u8(0); BLOCK_ROWS];
            for (to, row) in rows.iter_mut().zip(tile) {
                let row: [uint8x16_t; VECTORS] = cast(*row);
                *to = row[vector];
            }
            for _ in 0..BLOCK_ROWS.ilog2() {
                let before = rows;
                let (first, second) = before.split_at(BLOCK_ROWS / 2);
                for (pair, (a, b)) in rows.as_chunks_mut::<2>().0.iter_mut().zip(first.iter().zip(second)) {
                    *pair = [self.neon.vzip1q_u8(*a, *b), self.neon.vzip2q_u8(*a, *b)];
                }
            }
            for (to, row) in turned.iter_mut().zip(rows) {
                *to = cast(row);
            }
        }
        turned
    }

    #[inline(always)]
    fn column(self, columns: &[Column], step: usize, taps: &[i16], shift: u32) -> Column {
        let mut sums = [self.neon.vdupq_n_s32(half(shift)); 4];
        for (k, tap) in taps.iter().enumerate() {
            add(self, &mut sums, cast(columns[k * step]), *tap);
        }
        cast(bytes(self, sums, shift))
    }
}

#[inline(always)]
fn add(machine: Neon, sums: &mut [int32x4_t; 4], bytes: uint8x16_t, tap: i16) {
    let neon = machine.neon;
    let low = neon.vreinterpretq_s16_u16(neon.vmovl_u8(neon.vget_low_u8(bytes)));
    let high = neon.vreinterpretq_s16_u16(neon.vmovl_high_u8(bytes));
    for (sums, words) in sums.as_chunks_mut::<2>().0.iter_mut().zip([low, high]) {
        sums[0] = neon.vmlal_n_s16(sums[0], neon.vget_low_s16(words), tap);
        sums[1] = neon.vmlal_high_n_s16(sums[1], words, tap);
    }
}

#[inline(always)]
fn bytes(machine: Neon, mut sums: [int32x4_t; 4], shift: u32) -> uint8x16_t {
    let neon = machine.neon;
    let down = neon.vdupq_n_s32(-(shift as i32));
    for sum in &mut sums {
        *sum = neon.vshlq_s32(*sum, down);
    }
    let low = neon.vcombine_s16(neon.vqmovn_s32(sums[0]), neon.vqmovn_s32(sums[1]));
    let high = neon.vcombine_s16(neon.vqmovn_s32(sums[2]), neon.vqmovn_s32(sums[3]));
    neon.vcombine_u8(neon.vqmovun_s16(low), neon.vqmovun_s16(high))
}
