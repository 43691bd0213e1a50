//! AVX-512 VNNI: four bytes of a row against four of each of 16 columns in one instruction.
#![allow(unsafe_code, reason = "loads by pointer, and calls of code for CPUs with these instructions")]

use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::{Dot, Layout};
use crate::int8::linear::{self, Job, Scratch};

pub struct Avx512Vnni;

/// Columns of a vector.
const LANES: usize = 16;
/// Vectors side by side in a tile: with 6 rows, 24 sums, 4 weights and a piece of a row fit into 32 registers.
const VECTORS: usize = 4;
/// Bytes that one instruction takes of a row.
const GROUP: usize = 4;
const COLUMNS: usize = VECTORS * LANES;

impl Dot for Avx512Vnni {
    type Value = u8;
    const LAYOUT: Layout = Layout { rows: 6, columns: COLUMNS, group: GROUP };
    const SHIFT: i32 = 0;

    #[inline(always)]
    fn value(byte: u8) -> u8 {
        byte
    }

    fn take(scratch: &mut Scratch) -> Vec<u8> {
        std::mem::take(&mut scratch.bytes)
    }

    fn give_back(scratch: &mut Scratch, values: Vec<u8>) {
        scratch.bytes = values;
    }

    #[inline(always)]
    fn dot(count: usize, rows: &[u8], depth: usize, panel: &[i8], sums: &mut [i32]) {
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
/// `rows` holds `R·depth` bytes, `panel` `depth·COLUMNS`, `sums` at least `R·COLUMNS` numbers; `depth` is a multiple of
/// [`GROUP`].
#[expect(clippy::cast_ptr_alignment, reason = "what is loaded by it may lie anywhere")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn tile<const R: usize>(rows: &[u8], depth: usize, panel: &[i8], sums: &mut [i32]) {
    let mut tile = [[_mm512_setzero_si512(); VECTORS]; R];
    for group in 0..depth / GROUP {
        // SAFETY: `group` counts to the end of the panel, and of each row.
        unsafe {
            let weights = panel.as_ptr().add(group * GROUP * COLUMNS).cast::<__m512i>();
            let weights: [__m512i; VECTORS] = std::array::from_fn(|v| _mm512_loadu_si512(weights.add(v)));
            for (i, sums) in tile.iter_mut().enumerate() {
                let bytes = rows.as_ptr().add(i * depth + group * GROUP).cast::<i32>().read_unaligned();
                let bytes = _mm512_set1_epi32(bytes);
                for v in 0..VECTORS {
                    sums[v] = _mm512_dpbusd_epi32(sums[v], bytes, weights[v]);
                }
            }
        }
    }
    for (i, tile) in tile.iter().enumerate() {
        for (v, sum) in tile.iter().enumerate() {
            // SAFETY: `sums` holds `R` rows of `COLUMNS` numbers.
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().add(i * COLUMNS + v * LANES).cast(), *sum) };
        }
    }
}

pub fn run(job: Job) {
    // SAFETY: the caller has asked the CPU.
    unsafe { walk(job) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
fn walk(job: Job) {
    linear::walk::<Avx512Vnni>(job);
}
