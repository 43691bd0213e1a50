//! What machines do in their own ways, with the same answers.

use pulp::{Arch, NullaryFnOnce};

use super::portable::Portable;
use super::{Column, STRIP, Tile, Work};

/// Vector code of a machine.
pub trait Machine: Copy {
    /// Some bytes of a resized row: the lines below each other, each times its tap.
    ///
    /// # Shapes
    /// - `lines`: a line each `row_len`, of which [`STRIP`] bytes are read
    fn strip(self, lines: &[u8], row_len: usize, taps: &[i16], shift: u32) -> [u8; STRIP];

    /// Rows to columns.
    fn turned(self, tile: &Tile) -> [Column; STRIP];

    /// A resized column: every `step`th of these, each times its tap.
    fn column(self, columns: &[Column], step: usize, taps: &[i16], shift: u32) -> Column;
}

/// Some bytes of a line.
#[inline(always)]
pub fn bytes_at<const N: usize>(lines: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&lines[at..at + N]);
    bytes
}

/// What a sum begins with: a half.
#[inline(always)]
pub const fn half(shift: u32) -> i32 {
    1 << (shift - 1)
}

/// Does the work with this machine's code.
pub fn run(work: Work) {
    match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(machine) => machine.vectorize(On { machine, work }),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(machine) => machine.vectorize(On { machine, work }),
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(machine) => machine.vectorize(On { machine, work }),
        _ => without_wide_vectors(work),
    }
}

fn without_wide_vectors(work: Work) {
    #[cfg(target_arch = "x86_64")]
    if let Some(machine) = pulp::core_arch::x86::Sse2::try_new() {
        return On { machine, work }.call();
    }
    On { machine: Portable, work }.call();
}

/// Work with a machine's code. No closure: a call of one goes through a function in between, which is compiled for any CPU.
struct On<'a, M> {
    machine: M,
    work: Work<'a>,
}

impl<M: Machine> NullaryFnOnce for On<'_, M> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { machine, mut work } = self;
        work.run(machine);
    }
}
