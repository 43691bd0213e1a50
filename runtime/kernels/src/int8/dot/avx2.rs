//! AVX2: two words of a row against two of each of 8 columns in one instruction. Products of unsigned and signed bytes
//! would take half the instructions, but their sums of two may not fit.
#![allow(unsafe_code, reason = "loads by pointer, and calls of code for CPUs with these instructions")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_madd_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_storeu_si256,
};

use super::{Dot, Layout};
use crate::int8::linear::{self, Job, Scratch};

pub struct Avx2;

/// Columns of a vector.
const LANES: usize = 8;
/// Vectors side by side in a tile: with 6 rows, 12 sums, 2 weights, a piece of a row and a product fit into 16 registers.
const VECTORS: usize = 2;
/// Words that one instruction takes of a row.
const GROUP: usize = 2;
const COLUMNS: usize = VECTORS * LANES;

impl Dot for Avx2 {
    type Value = i16;
    const LAYOUT: Layout = Layout { rows: 6, columns: COLUMNS, group: GROUP };
    const SHIFT: i32 = 0;

    #[inline(always)]
    fn value(byte: u8) -> i16 {
        i16::from(byte)
    }

    fn take(scratch: &mut Scratch) -> Vec<i16> {
        std::mem::take(&mut scratch.words)
    }

    fn give_back(scratch: &mut Scratch, values: Vec<i16>) {
        scratch.words = values;
    }

    #[inline(always)]
    fn dot(count: usize, rows: &[i16], depth: usize, panel: &[i8], sums: &mut [i32]) {
        assert!(rows.len() == count * depth && panel.len() == depth * COLUMNS && sums.len() >= count * COLUMNS);
        // SAFETY: the slices have the lengths that `tile` asks for, and `run` is called on CPUs of this family alone.
        unsafe {
            match count {
                1 => tile::<1>(rows, depth, panel, sums),
                2 => tile::<2>(rows, depth, panel, sums),
                3 => tile::<3>(rows, depth, panel, sums),
                4 => tile::<4>(rows, depth, panel, sums),
                5 => tile::<5>(rows, depth, panel, sums),
                _ => tile::<6>(rows, depth, panel, sums),
            }
        }
    }
}

/// # Safety
/// `rows` holds `R·depth` words, `panel` `depth·COLUMNS` bytes, `sums` at least `R·COLUMNS` numbers; `depth` is a multiple
/// of [`GROUP`].
#[expect(clippy::cast_ptr_alignment, reason = "what is loaded by it may lie anywhere")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const R: usize>(rows: &[i16], depth: usize, panel: &[i8], sums: &mut [i32]) {
    let mut tile = [[_mm256_setzero_si256(); VECTORS]; R];
    for group in 0..depth / GROUP {
        // SAFETY: `group` counts to the end of the panel, and of each row.
        unsafe {
            let weights = panel.as_ptr().add(group * GROUP * COLUMNS).cast::<__m128i>();
            let weights: [__m256i; VECTORS] =
                std::array::from_fn(|v| _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.add(v))));
            for (i, sums) in tile.iter_mut().enumerate() {
                let words = rows.as_ptr().add(i * depth + group * GROUP).cast::<i32>().read_unaligned();
                let words = _mm256_set1_epi32(words);
                for v in 0..VECTORS {
                    sums[v] = _mm256_add_epi32(sums[v], _mm256_madd_epi16(words, weights[v]));
                }
            }
        }
    }
    for (i, tile) in tile.iter().enumerate() {
        for (v, sum) in tile.iter().enumerate() {
            // SAFETY: `sums` holds `R` rows of `COLUMNS` numbers.
            unsafe { _mm256_storeu_si256(sums.as_mut_ptr().add(i * COLUMNS + v * LANES).cast(), *sum) };
        }
    }
}

pub fn run(job: Job) {
    // SAFETY: the caller has asked the CPU.
    unsafe { walk(job) }
}

#[target_feature(enable = "avx2,fma")]
fn walk(job: Job) {
    linear::walk::<Avx2>(job);
}
