//! x86 with 512-bit vectors: two lines at once, their bytes in pairs.
//!
//! What takes vectors is a function that is always inlined, and no closure: one that is not inlined is compiled for any CPU.

use std::arch::x86_64::{__m128i, __m256i, __m512i};

use pulp::cast;
use pulp::x86::V4;

use super::machine::{Machine, bytes_at, half};
use super::{BLOCK_ROWS, Column, STRIP, Tile};

impl Machine for V4 {
    #[inline(always)]
    fn strip(self, lines: &[u8], row_len: usize, taps: &[i16], shift: u32) -> [u8; STRIP] {
        let (f, bw) = (self.avx512f, self.avx512bw);
        let mut sums = [f._mm512_set1_epi32(half(shift)); 4];
        let (pairs, last) = taps.as_chunks::<2>();
        let mut at = 0;
        for taps in pairs {
            let (a, b) = (cast(bytes_at::<STRIP>(lines, at)), cast(bytes_at::<STRIP>(lines, at + row_len)));
            add(self, &mut sums, [a, b], *taps);
            at += 2 * row_len;
        }
        if let [tap] = last {
            add(self, &mut sums, [cast(bytes_at::<STRIP>(lines, at)), f._mm512_setzero_si512()], [*tap, 0]);
        }
        let shift = self.sse2._mm_cvtsi32_si128(shift as i32);
        for sum in &mut sums {
            *sum = f._mm512_sra_epi32(*sum, shift);
        }
        let [a, b, c, d] = sums;
        cast(bw._mm512_packus_epi16(bw._mm512_packs_epi32(a, b), bw._mm512_packs_epi32(c, d)))
    }

    #[inline(always)]
    fn turned(self, tile: &Tile) -> [Column; STRIP] {
        let bw = self.avx512bw;
        let mut rows = [self.avx512f._mm512_setzero_si512(); BLOCK_ROWS];
        for (to, row) in rows.iter_mut().zip(tile) {
            *to = cast(*row);
        }
        for _ in 0..BLOCK_ROWS.ilog2() {
            let before = rows;
            let (first, second) = before.split_at(BLOCK_ROWS / 2);
            for (pair, (a, b)) in rows.as_chunks_mut::<2>().0.iter_mut().zip(first.iter().zip(second)) {
                *pair = [bw._mm512_unpacklo_epi8(*a, *b), bw._mm512_unpackhi_epi8(*a, *b)];
            }
        }
        let mut turned = [[0; BLOCK_ROWS]; STRIP];
        for (place, row) in rows.into_iter().enumerate() {
            let columns: [Column; STRIP / BLOCK_ROWS] = cast(row);
            for (part, column) in columns.into_iter().enumerate() {
                turned[BLOCK_ROWS * part + place] = column;
            }
        }
        turned
    }

    #[inline(always)]
    fn column(self, columns: &[Column], step: usize, taps: &[i16], shift: u32) -> Column {
        let (f, avx2, sse2) = (self.avx512f, self.avx2, self.sse2);
        let mut sums = f._mm512_set1_epi32(half(shift));
        let (pairs, last) = taps.as_chunks::<2>();
        let mut at = 0;
        for taps in pairs {
            sums = with_column(self, sums, [cast(columns[at]), cast(columns[at + step])], *taps);
            at += 2 * step;
        }
        if let [tap] = last {
            sums = with_column(self, sums, [cast(columns[at]), sse2._mm_setzero_si128()], [*tap, 0]);
        }
        let sums = f._mm512_sra_epi32(sums, sse2._mm_cvtsi32_si128(shift as i32));
        let [low, high]: [__m256i; 2] = cast(sums);
        let words = avx2._mm256_permute4x64_epi64::<0b11_01_10_00>(avx2._mm256_packs_epi32(low, high));
        let [low, high]: [__m128i; 2] = cast(words);
        cast(sse2._mm_packus_epi16(low, high))
    }
}

/// Two lines, each times its tap.
#[inline(always)]
fn add(machine: V4, sums: &mut [__m512i; 4], [a, b]: [__m512i; 2], taps: [i16; 2]) {
    let (f, bw) = (machine.avx512f, machine.avx512bw);
    let (zero, taps) = (f._mm512_setzero_si512(), f._mm512_set1_epi32(cast(taps)));
    let (low, high) = (bw._mm512_unpacklo_epi8(a, b), bw._mm512_unpackhi_epi8(a, b));
    let pairs = [
        bw._mm512_unpacklo_epi8(low, zero),
        bw._mm512_unpackhi_epi8(low, zero),
        bw._mm512_unpacklo_epi8(high, zero),
        bw._mm512_unpackhi_epi8(high, zero),
    ];
    for (sum, pairs) in sums.iter_mut().zip(pairs) {
        *sum = f._mm512_add_epi32(*sum, bw._mm512_madd_epi16(pairs, taps));
    }
}

/// Two columns, each times its tap.
#[inline(always)]
fn with_column(machine: V4, sums: __m512i, [a, b]: [__m128i; 2], taps: [i16; 2]) -> __m512i {
    let (f, bw, sse2) = (machine.avx512f, machine.avx512bw, machine.sse2);
    let pairs: __m256i = cast([sse2._mm_unpacklo_epi8(a, b), sse2._mm_unpackhi_epi8(a, b)]);
    let products = bw._mm512_madd_epi16(bw._mm512_cvtepu8_epi16(pairs), f._mm512_set1_epi32(cast(taps)));
    f._mm512_add_epi32(sums, products)
}
