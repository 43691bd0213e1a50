//! Sums of products of bytes, tile by tile: where `unsafe` is, but for the hint in `fetch.rs`.
//!
//! A tile is some rows by the columns of a panel. Its sums stay in registers while it walks along the inputs, one group of
//! them at a time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use super::linear::{Job, Scratch};
use crate::Family;

/// How a family's tiles read rows and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Most rows of a tile.
    pub rows: usize,
    /// Columns of a panel.
    pub columns: usize,
    /// Inputs that lie side by side in a panel, column by column.
    pub group: usize,
}

/// A family's tiles.
pub trait Dot {
    /// What a byte of a row is kept as.
    type Value: Copy;
    /// How tiles read.
    const LAYOUT: Layout;
    /// What a byte has lost in [`Dot::value`].
    const SHIFT: i32;

    /// A row's byte as tiles read it.
    fn value(byte: u8) -> Self::Value;

    /// Memory for rows, out of the scratch.
    fn take(scratch: &mut Scratch) -> Vec<Self::Value>;

    /// … and back.
    fn give_back(scratch: &mut Scratch, values: Vec<Self::Value>);

    /// The sums of a tile of `count` rows.
    ///
    /// # Shapes
    /// - `rows`: `[count, depth]`
    /// - `panel`: `[depth / group, columns, group]`
    /// - `sums`: `[rows, columns]`, of which the first `count` rows are written
    fn dot(count: usize, rows: &[Self::Value], depth: usize, panel: &[i8], sums: &mut [i32]);
}

/// How a family's tiles read rows and weights.
pub fn layout(family: Family) -> Layout {
    match family {
        #[cfg(target_arch = "x86_64")]
        Family::Avx2 => avx2::Avx2::LAYOUT,
        #[cfg(target_arch = "x86_64")]
        Family::Avx512Vnni => avx512::Avx512Vnni::LAYOUT,
        #[cfg(target_arch = "aarch64")]
        Family::Neon => neon::Neon::LAYOUT,
        #[cfg(target_arch = "aarch64")]
        Family::NeonDotprod => neon::NeonDotprod::LAYOUT,
        #[cfg(target_arch = "aarch64")]
        Family::NeonI8mm => neon::NeonI8mm::LAYOUT,
        _ => portable::Portable::LAYOUT,
    }
}

/// Runs a call with a family's code.
///
/// # Panics
/// When this machine does not belong to the family.
pub fn run(family: Family, job: Job) {
    assert!(family.is_here(), "weights are packed for a CPU of the family {}, which this is not", family.name());
    match family {
        #[cfg(target_arch = "x86_64")]
        Family::Avx2 => avx2::run(job),
        #[cfg(target_arch = "x86_64")]
        Family::Avx512Vnni => avx512::run(job),
        #[cfg(target_arch = "aarch64")]
        Family::Neon => neon::run(job),
        #[cfg(target_arch = "aarch64")]
        Family::NeonDotprod => neon::run_dotprod(job),
        #[cfg(target_arch = "aarch64")]
        Family::NeonI8mm => neon::run_i8mm(job),
        _ => portable::run(job),
    }
}
