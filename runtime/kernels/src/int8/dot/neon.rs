//! 64-bit ARM, with and without products of bytes.
//!
//! Rows are signed here: the two families with products of bytes have none of unsigned with signed ones in common.
#![allow(unsafe_code, reason = "loads by pointer, and calls of code for CPUs with these instructions")]

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vaddvq_s32, vcombine_s8, vdupq_n_s32, vget_low_s8, vgetq_lane_s32, vld1_s8, vld1q_dup_s32,
    vld1q_s8, vmull_high_s8, vmull_s8, vpadalq_s16, vreinterpretq_s8_s32, vst1q_s32,
};
use std::arch::asm;

use super::{Dot, Layout};
use crate::int8::linear::{self, Job, Scratch};

/// What a signed byte of a row has lost.
const SHIFT: i32 = 128;

/// A family whose rows are signed bytes.
macro_rules! signed_rows {
    ($family:ident, $layout:expr, $tile:ident: $($count:literal)*) => {
        impl Dot for $family {
            type Value = u8;
            const LAYOUT: Layout = $layout;
            const SHIFT: i32 = SHIFT;

            #[inline(always)]
            fn value(byte: u8) -> u8 {
                byte ^ 0x80
            }

            fn take(scratch: &mut Scratch) -> Vec<u8> {
                std::mem::take(&mut scratch.bytes)
            }

            fn give_back(scratch: &mut Scratch, values: Vec<u8>) {
                scratch.bytes = values;
            }

            #[inline(always)]
            fn dot(count: usize, rows: &[u8], depth: usize, panel: &[i8], sums: &mut [i32]) {
                let columns = Self::LAYOUT.columns;
                assert!(rows.len() == count * depth && panel.len() == depth * columns);
                assert!(sums.len() >= Self::LAYOUT.rows * columns);
                // SAFETY: the slices have the lengths that the tile asks for, and this is called on CPUs of this family
                // alone.
                unsafe {
                    match count {
                        $($count => $tile::<$count>(rows, depth, panel, sums),)*
                        _ => $tile::<{ Self::LAYOUT.rows }>(rows, depth, panel, sums),
                    }
                }
            }
        }
    };
}

/// Columns of a vector of sums.
const LANES: usize = 4;

pub struct NeonDotprod;
const DOTPROD: Layout = Layout { rows: 6, columns: 4 * LANES, group: 4 };
signed_rows!(NeonDotprod, DOTPROD, tile_dotprod: 1 2 3 4 5);

/// # Safety
/// `rows` holds `R·depth` bytes, `panel` `depth·columns`, `sums` at least `R·columns` numbers; `depth` is a multiple of the
/// group.
#[target_feature(enable = "neon,dotprod")]
unsafe fn tile_dotprod<const R: usize>(rows: &[u8], depth: usize, panel: &[i8], sums: &mut [i32]) {
    const VECTORS: usize = DOTPROD.columns / LANES;
    let mut tile = [[vdupq_n_s32(0); VECTORS]; R];
    for group in 0..depth / DOTPROD.group {
        // SAFETY: `group` counts to the end of the panel, and of each row.
        unsafe {
            let weights = panel.as_ptr().add(group * DOTPROD.group * DOTPROD.columns);
            let weights: [int8x16_t; VECTORS] = std::array::from_fn(|v| vld1q_s8(weights.add(16 * v)));
            for (i, sums) in tile.iter_mut().enumerate() {
                let bytes = rows.as_ptr().add(i * depth + group * DOTPROD.group).cast::<i32>();
                let bytes = vreinterpretq_s8_s32(vld1q_dup_s32(bytes));
                for v in 0..VECTORS {
                    sums[v] = sdot(sums[v], weights[v], bytes);
                }
            }
        }
    }
    for (i, tile) in tile.iter().enumerate() {
        for (v, sum) in tile.iter().enumerate() {
            // SAFETY: `sums` holds `R` rows of `columns` numbers.
            unsafe { vst1q_s32(sums.as_mut_ptr().add(i * DOTPROD.columns + v * LANES), *sum) };
        }
    }
}

/// Adds, to each of four sums, the products of four pairs of bytes.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: an instruction between registers, of CPUs of this family.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) a, in(vreg) b, options(pure, nomem, nostack));
    }
    sum
}

pub struct NeonI8mm;
const I8MM: Layout = Layout { rows: 6, columns: 16, group: 8 };
signed_rows!(NeonI8mm, I8MM, tile_i8mm: 1 2 3 4 5);

/// Two rows by two columns in each vector of sums.
///
/// # Safety
/// As [`tile_dotprod`].
#[target_feature(enable = "neon,dotprod,i8mm")]
unsafe fn tile_i8mm<const R: usize>(rows: &[u8], depth: usize, panel: &[i8], sums: &mut [i32]) {
    const PAIRS: usize = I8MM.columns / 2;
    // the second half is left alone where there are fewer rows
    let pairs = R.div_ceil(2);
    let mut tile = [[vdupq_n_s32(0); PAIRS]; I8MM.rows / 2];
    for group in 0..depth / I8MM.group {
        // SAFETY: `group` counts to the end of the panel, and of each row; a row without a partner is its own.
        unsafe {
            let row = |i: usize| vld1_s8(rows.as_ptr().add(i.min(R - 1) * depth + group * I8MM.group).cast());
            let bytes: [int8x16_t; I8MM.rows / 2] =
                std::array::from_fn(|pair| vcombine_s8(row(2 * pair), row(2 * pair + 1)));
            for v in 0..PAIRS {
                let weights = vld1q_s8(panel.as_ptr().add(group * I8MM.group * I8MM.columns + 16 * v));
                for pair in 0..pairs {
                    tile[pair][v] = smmla(tile[pair][v], bytes[pair], weights);
                }
            }
        }
    }
    for (pair, tile) in tile.iter().enumerate().take(pairs) {
        let (above, below) = (2 * pair * I8MM.columns, (2 * pair + 1) * I8MM.columns);
        for (v, &sum) in tile.iter().enumerate() {
            sums[above + 2 * v] = vgetq_lane_s32::<0>(sum);
            sums[above + 2 * v + 1] = vgetq_lane_s32::<1>(sum);
            sums[below + 2 * v] = vgetq_lane_s32::<2>(sum);
            sums[below + 2 * v + 1] = vgetq_lane_s32::<3>(sum);
        }
    }
}

/// Adds, to each of the sums of two rows and two columns, the products of eight pairs of bytes.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn smmla(mut sum: int32x4_t, rows: int8x16_t, columns: int8x16_t) -> int32x4_t {
    // SAFETY: an instruction between registers, of CPUs of this family.
    unsafe {
        asm!("smmla {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) rows, in(vreg) columns, options(pure, nomem, nostack));
    }
    sum
}

pub struct Neon;
const NEON: Layout = Layout { rows: 4, columns: 4, group: 16 };
signed_rows!(Neon, NEON, tile_neon: 1 2 3);

/// A vector of partial sums for each row and column. Products of bytes fit into 16 bits, the sums of two of them may not.
///
/// # Safety
/// As [`tile_dotprod`].
#[target_feature(enable = "neon")]
unsafe fn tile_neon<const R: usize>(rows: &[u8], depth: usize, panel: &[i8], sums: &mut [i32]) {
    let mut tile = [[vdupq_n_s32(0); NEON.columns]; R];
    for group in 0..depth / NEON.group {
        // SAFETY: `group` counts to the end of the panel, and of each row.
        unsafe {
            let row = |i: usize| vld1q_s8(rows.as_ptr().add(i * depth + group * NEON.group).cast());
            let bytes: [int8x16_t; R] = std::array::from_fn(row);
            for column in 0..NEON.columns {
                let weights = vld1q_s8(panel.as_ptr().add((group * NEON.columns + column) * NEON.group));
                for i in 0..R {
                    let low = vmull_s8(vget_low_s8(bytes[i]), vget_low_s8(weights));
                    let high = vmull_high_s8(bytes[i], weights);
                    tile[i][column] = vpadalq_s16(vpadalq_s16(tile[i][column], low), high);
                }
            }
        }
    }
    for (i, tile) in tile.iter().enumerate() {
        for (column, &sum) in tile.iter().enumerate() {
            sums[i * NEON.columns + column] = vaddvq_s32(sum);
        }
    }
}

pub fn run(job: Job) {
    // SAFETY: the caller has asked the CPU.
    unsafe { walk(job) }
}

#[target_feature(enable = "neon")]
fn walk(job: Job) {
    linear::walk::<Neon>(job);
}

pub fn run_dotprod(job: Job) {
    // SAFETY: the caller has asked the CPU.
    unsafe { walk_dotprod(job) }
}

#[target_feature(enable = "neon,dotprod")]
fn walk_dotprod(job: Job) {
    linear::walk::<NeonDotprod>(job);
}

pub fn run_i8mm(job: Job) {
    // SAFETY: the caller has asked the CPU.
    unsafe { walk_i8mm(job) }
}

#[target_feature(enable = "neon,dotprod,i8mm")]
fn walk_i8mm(job: Job) {
    linear::walk::<NeonI8mm>(job);
}
