//! x86 with 256-bit vectors: two lines at once, their bytes in pairs.

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
        let zero = avx._mm256_setzero_si256();
        let mut sums = [[avx._mm256_set1_epi32(half(shift)); 4]; VECTORS];
        let line = |k: usize| -> [__m256i; VECTORS] { cast(bytes_at::<STRIP>(lines, k * row_len)) };
        let mut add = |a: [__m256i; VECTORS], b: [__m256i; VECTORS], taps: [i16; 2]| {
            let taps = avx._mm256_set1_epi32(cast(taps));
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
        };
        let (pairs, last) = taps.as_chunks::<2>();
        for (k, taps) in pairs.iter().enumerate() {
            add(line(2 * k), line(2 * k + 1), *taps);
        }
        if let [tap] = last {
            add(line(taps.len() - 1), [zero; VECTORS], [*tap, 0]);
        }
        let shift = self.sse2._mm_cvtsi32_si128(shift as i32);
        cast(sums.map(|sums| {
            let [a, b, c, d] = sums.map(|sum| avx2._mm256_sra_epi32(sum, shift));
            avx2._mm256_packus_epi16(avx2._mm256_packs_epi32(a, b), avx2._mm256_packs_epi32(c, d))
        }))
    }

    #[inline(always)]
    fn turned(self, tile: &Tile) -> [Column; STRIP] {
        let avx2 = self.avx2;
        let mut turned = [[0; BLOCK_ROWS]; STRIP];
        for (vector, turned) in turned.as_chunks_mut::<{ STRIP / VECTORS }>().0.iter_mut().enumerate() {
            let mut rows: [__m256i; BLOCK_ROWS] = tile.map(|row| cast::<_, [__m256i; VECTORS]>(row)[vector]);
            for _ in 0..BLOCK_ROWS.ilog2() {
                let (first, second) = rows.split_at(BLOCK_ROWS / 2);
                let mut next = rows;
                for (pair, (a, b)) in next.as_chunks_mut::<2>().0.iter_mut().zip(first.iter().zip(second)) {
                    *pair = [avx2._mm256_unpacklo_epi8(*a, *b), avx2._mm256_unpackhi_epi8(*a, *b)];
                }
                rows = next;
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
        let mut add = |a: __m128i, b: __m128i, taps: [i16; 2]| {
            let taps = avx._mm256_set1_epi32(cast(taps));
            let pairs = [sse2._mm_unpacklo_epi8(a, b), sse2._mm_unpackhi_epi8(a, b)];
            for (sum, pairs) in sums.iter_mut().zip(pairs) {
                let products = avx2._mm256_madd_epi16(avx2._mm256_cvtepu8_epi16(pairs), taps);
                *sum = avx2._mm256_add_epi32(*sum, products);
            }
        };
        let (pairs, last) = taps.as_chunks::<2>();
        for (k, taps) in pairs.iter().enumerate() {
            add(cast(columns[2 * k * step]), cast(columns[(2 * k + 1) * step]), *taps);
        }
        if let [tap] = last {
            add(cast(columns[(taps.len() - 1) * step]), sse2._mm_setzero_si128(), [*tap, 0]);
        }
        let shift = sse2._mm_cvtsi32_si128(shift as i32);
        let [low, high] = sums.map(|sums| avx2._mm256_sra_epi32(sums, shift));
        let words = avx2._mm256_permute4x64_epi64::<0b11_01_10_00>(avx2._mm256_packs_epi32(low, high));
        let [low, high]: [__m128i; 2] = cast(words);
        cast(sse2._mm_packus_epi16(low, high))
    }
}
