//! Any 64-bit x86: two lines at once, their bytes in pairs.

use std::arch::x86_64::__m128i;

use pulp::cast;
use pulp::core_arch::x86::Sse2;

use super::machine::{Machine, bytes_at, half};
use super::{BLOCK_ROWS, Column, STRIP, Tile};

/// Vectors of a strip.
const VECTORS: usize = STRIP / 16;

impl Machine for Sse2 {
    #[inline(always)]
    fn strip(self, lines: &[u8], row_len: usize, taps: &[i16], shift: u32) -> [u8; STRIP] {
        let mut strip = [self._mm_setzero_si128(); VECTORS];
        for (vector, to) in strip.iter_mut().enumerate() {
            let mut sums = [self._mm_set1_epi32(half(shift)); 4];
            let (pairs, last) = taps.as_chunks::<2>();
            let mut at = 16 * vector;
            for taps in pairs {
                add(
                    self,
                    &mut sums,
                    [cast(bytes_at::<16>(lines, at)), cast(bytes_at::<16>(lines, at + row_len))],
                    *taps,
                );
                at += 2 * row_len;
            }
            if let [tap] = last {
                add(self, &mut sums, [cast(bytes_at::<16>(lines, at)), self._mm_setzero_si128()], [*tap, 0]);
            }
            *to = bytes(self, sums, shift);
        }
        cast(strip)
    }

    #[inline(always)]
    fn turned(self, tile: &Tile) -> [Column; STRIP] {
        let mut turned = [[0; BLOCK_ROWS]; STRIP];
        for (vector, turned) in turned.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let mut rows = [self._mm_setzero_si128(); BLOCK_ROWS];
            for (to, row) in rows.iter_mut().zip(tile) {
                let row: [__m128i; VECTORS] = cast(*row);
                *to = row[vector];
            }
            for _ in 0..BLOCK_ROWS.ilog2() {
                let before = rows;
                let (first, second) = before.split_at(BLOCK_ROWS / 2);
                for (pair, (a, b)) in rows.as_chunks_mut::<2>().0.iter_mut().zip(first.iter().zip(second)) {
                    *pair = [self._mm_unpacklo_epi8(*a, *b), self._mm_unpackhi_epi8(*a, *b)];
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
        let mut sums = [self._mm_set1_epi32(half(shift)); 4];
        let (pairs, last) = taps.as_chunks::<2>();
        let mut at = 0;
        for taps in pairs {
            add(self, &mut sums, [cast(columns[at]), cast(columns[at + step])], *taps);
            at += 2 * step;
        }
        if let [tap] = last {
            add(self, &mut sums, [cast(columns[at]), self._mm_setzero_si128()], [*tap, 0]);
        }
        cast(bytes(self, sums, shift))
    }
}

/// Two vectors of bytes, each times its tap.
#[inline(always)]
fn add(machine: Sse2, sums: &mut [__m128i; 4], [a, b]: [__m128i; 2], taps: [i16; 2]) {
    let (zero, taps) = (machine._mm_setzero_si128(), machine._mm_set1_epi32(cast(taps)));
    let (low, high) = (machine._mm_unpacklo_epi8(a, b), machine._mm_unpackhi_epi8(a, b));
    let pairs = [
        machine._mm_unpacklo_epi8(low, zero),
        machine._mm_unpackhi_epi8(low, zero),
        machine._mm_unpacklo_epi8(high, zero),
        machine._mm_unpackhi_epi8(high, zero),
    ];
    for (sum, pairs) in sums.iter_mut().zip(pairs) {
        *sum = machine._mm_add_epi32(*sum, machine._mm_madd_epi16(pairs, taps));
    }
}

#[inline(always)]
fn bytes(machine: Sse2, mut sums: [__m128i; 4], shift: u32) -> __m128i {
    let shift = machine._mm_cvtsi32_si128(shift as i32);
    for sum in &mut sums {
        *sum = machine._mm_sra_epi32(*sum, shift);
    }
    machine._mm_packus_epi16(machine._mm_packs_epi32(sums[0], sums[1]), machine._mm_packs_epi32(sums[2], sums[3]))
}
