//! x86 with 512-bit vectors: two lines at once, their bytes in pairs.

use std::arch::x86_64::{__m128i, __m256i, __m512i};

use pulp::cast;
use pulp::x86::V4;

use super::machine::{Machine, bytes_at, half};
use super::{BLOCK_ROWS, Column, STRIP, Tile};

impl Machine for V4 {
    #[inline(always)]
    fn strip(self, lines: &[u8], row_len: usize, taps: &[i16], shift: u32) -> [u8; STRIP] {
        let (f, bw) = (self.avx512f, self.avx512bw);
        let zero = f._mm512_setzero_si512();
        let mut sums = [f._mm512_set1_epi32(half(shift)); 4];
        let line = |k: usize| -> __m512i { cast(bytes_at::<STRIP>(lines, k * row_len)) };
        let mut add = |a: __m512i, b: __m512i, taps: [i16; 2]| {
            let taps = f._mm512_set1_epi32(cast(taps));
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
        };
        let (pairs, last) = taps.as_chunks::<2>();
        for (k, taps) in pairs.iter().enumerate() {
            add(line(2 * k), line(2 * k + 1), *taps);
        }
        if let [tap] = last {
            add(line(taps.len() - 1), zero, [*tap, 0]);
        }
        let shift = self.sse2._mm_cvtsi32_si128(shift as i32);
        let [a, b, c, d] = sums.map(|sum| f._mm512_sra_epi32(sum, shift));
        cast(bw._mm512_packus_epi16(bw._mm512_packs_epi32(a, b), bw._mm512_packs_epi32(c, d)))
    }

    #[inline(always)]
    fn turned(self, tile: &Tile) -> [Column; STRIP] {
        let bw = self.avx512bw;
        let mut rows: [__m512i; BLOCK_ROWS] = tile.map(cast);
        for _ in 0..BLOCK_ROWS.ilog2() {
            let (first, second) = rows.split_at(BLOCK_ROWS / 2);
            let mut next = rows;
            for (pair, (a, b)) in next.as_chunks_mut::<2>().0.iter_mut().zip(first.iter().zip(second)) {
                *pair = [bw._mm512_unpacklo_epi8(*a, *b), bw._mm512_unpackhi_epi8(*a, *b)];
            }
            rows = next;
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
        let (f, bw, sse2) = (self.avx512f, self.avx512bw, self.sse2);
        let mut sums = f._mm512_set1_epi32(half(shift));
        let mut add = |a: __m128i, b: __m128i, taps: [i16; 2]| {
            let pairs: __m256i = cast([sse2._mm_unpacklo_epi8(a, b), sse2._mm_unpackhi_epi8(a, b)]);
            let products = bw._mm512_madd_epi16(bw._mm512_cvtepu8_epi16(pairs), f._mm512_set1_epi32(cast(taps)));
            sums = f._mm512_add_epi32(sums, products);
        };
        let (pairs, last) = taps.as_chunks::<2>();
        for (k, taps) in pairs.iter().enumerate() {
            add(cast(columns[2 * k * step]), cast(columns[(2 * k + 1) * step]), *taps);
        }
        if let [tap] = last {
            add(cast(columns[(taps.len() - 1) * step]), sse2._mm_setzero_si128(), [*tap, 0]);
        }
        let sums = f._mm512_sra_epi32(sums, sse2._mm_cvtsi32_si128(shift as i32));
        let [low, high]: [__m256i; 2] = cast(sums);
        let words: [__m128i; 2] =
            cast(self.avx2._mm256_permute4x64_epi64::<0b11_01_10_00>(self.avx2._mm256_packs_epi32(low, high)));
        cast(sse2._mm_packus_epi16(words[0], words[1]))
    }
}
