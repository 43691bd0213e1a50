//! x86 with 256-bit vectors: two lines at once, their bytes in pairs.
//!
//! What takes vectors is a function that is always inlined, and no closure: one that is not inlined is compiled for any CPU.

use std::arch::x86_64::{__m128i, __m256i};

use pulp::cast;
use pulp::x86::V3;

use super::machine::{Machine, bytes_at, half};
use super::{BLOCK_ROWS, Column, STRIP, Tile};

/// Vectors of a strip.
const VECTORS: usize = 2;

impl Machine for V3 {
    #[inline(always)]
    fn strip(self, lines: &[u8], row_len: usize, taps: &[i16], shift: u32) -> [u8; STRIP] {
        let (avx, avx2) = (self.avx, self.avx2);
        let mut sums = [[avx._mm256_set1_epi32(half(shift)); 4]; VECTORS];
        let (pairs, last) = taps.as_chunks::<2>();
        let mut at = 0;
        for taps in pairs {
            let (a, b) = (cast(bytes_at::<STRIP>(lines, at)), cast(bytes_at::<STRIP>(lines, at + row_len)));
            add(self, &mut sums, [a, b], *taps);
            at += 2 * row_len;
        }
        if let [tap] = last {
            let zero = [avx._mm256_setzero_si256(); VECTORS];
            add(self, &mut sums, [cast(bytes_at::<STRIP>(lines, at)), zero], [*tap, 0]);
        }
        let shift = self.sse2._mm_cvtsi32_si128(shift as i32);
        let mut strip = [avx._mm256_setzero_si256(); VECTORS];
        for (to, [a, b, c, d]) in strip.iter_mut().zip(sums) {
            let (a, b) = (avx2._mm256_sra_epi32(a, shift), avx2._mm256_sra_epi32(b, shift));
            let (c, d) = (avx2._mm256_sra_epi32(c, shift), avx2._mm256_sra_epi32(d, shift));
            *to = avx2._mm256_packus_epi16(avx2._mm256_packs_epi32(a, b), avx2._mm256_packs_epi32(c, d));
        }
        cast(strip)
    }

    #[inline(always)]
    fn turned(self, tile: &Tile) -> [Column; STRIP] {
        let avx2 = self.avx2;
        let mut turned = [[0; BLOCK_ROWS]; STRIP];
        for (vector, turned) in turned.as_chunks_mut::<{ STRIP / VECTORS }>().0.iter_mut().enumerate() {
            let mut rows = [self.avx._mm256_setzero_si256(); BLOCK_ROWS];
            for (to, row) in rows.iter_mut().zip(tile) {
                let row: [__m256i; VECTORS] = cast(*row);
                *to = row[vector];
            }
            for _ in 0..BLOCK_ROWS.ilog2() {
                let before = rows;
                let (first, second) = before.split_at(BLOCK_ROWS / 2);
                for (pair, (a, b)) in rows.as_chunks_mut::<2>().0.iter_mut().zip(first.iter().zip(second)) {
                    *pair = [avx2._mm256_unpacklo_epi8(*a, *b), avx2._mm256_unpackhi_epi8(*a, *b)];
                }
            }
            for (place, row) in rows.into_iter().enumerate() {
                let [low, high]: [Column; 2] = cast(row);
                (turned[place], turned[BLOCK_ROWS + place]) = (low, high);
            }
        }
        turned
    }

    #[inline(always)]
    fn column(self, columns: &[Column], step: usize, taps: &[i16], shift: u32) -> Column {
        let (avx, avx2, sse2) = (self.avx, self.avx2, self.sse2);
        let mut sums = [avx._mm256_set1_epi32(half(shift)); 2];
        let (pairs, last) = taps.as_chunks::<2>();
        let mut at = 0;
        for taps in pairs {
            add_column(self, &mut sums, [cast(columns[at]), cast(columns[at + step])], *taps);
            at += 2 * step;
        }
        if let [tap] = last {
            add_column(self, &mut sums, [cast(columns[at]), sse2._mm_setzero_si128()], [*tap, 0]);
        }
        let shift = sse2._mm_cvtsi32_si128(shift as i32);
        let (low, high) = (avx2._mm256_sra_epi32(sums[0], shift), avx2._mm256_sra_epi32(sums[1], shift));
        let words = avx2._mm256_permute4x64_epi64::<0b11_01_10_00>(avx2._mm256_packs_epi32(low, high));
        let [low, high]: [__m128i; 2] = cast(words);
        cast(sse2._mm_packus_epi16(low, high))
    }
}

/// Two lines, each times its tap.
#[inline(always)]
fn add(machine: V3, sums: &mut [[__m256i; 4]; VECTORS], [a, b]: [[__m256i; VECTORS]; 2], taps: [i16; 2]) {
    let (avx, avx2) = (machine.avx, machine.avx2);
    let (zero, taps) = (avx._mm256_setzero_si256(), avx._mm256_set1_epi32(cast(taps)));
    for (sums, (a, b)) in sums.iter_mut().zip(a.into_iter().zip(b)) {
        let (low, high) = (avx2._mm256_unpacklo_epi8(a, b), avx2._mm256_unpackhi_epi8(a, b));
        let pairs = [
            avx2._mm256_unpacklo_epi8(low, zero),
            avx2._mm256_unpackhi_epi8(low, zero),
            avx2._mm256_unpacklo_epi8(high, zero),
            avx2._mm256_unpackhi_epi8(high, zero),
        ];
        for (sum, pairs) in sums.iter_mut().zip(pairs) {
            *sum = avx2._mm256_add_epi32(*sum, avx2._mm256_madd_epi16(pairs, taps));
        }
    }
}

/// Two columns, each times its tap.
#[inline(always)]
fn add_column(machine: V3, sums: &mut [__m256i; 2], [a, b]: [__m128i; 2], taps: [i16; 2]) {
    let (avx, avx2, sse2) = (machine.avx, machine.avx2, machine.sse2);
    let taps = avx._mm256_set1_epi32(cast(taps));
    let pairs = [sse2._mm_unpacklo_epi8(a, b), sse2._mm_unpackhi_epi8(a, b)];
    for (sum, pairs) in sums.iter_mut().zip(pairs) {
        let products = avx2._mm256_madd_epi16(avx2._mm256_cvtepu8_epi16(pairs), taps);
        *sum = avx2._mm256_add_epi32(*sum, products);
    }
}
