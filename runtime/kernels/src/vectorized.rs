//! Loops as vector code of the machine that they run on.

use pulp::{Arch, Simd, WithSimd};

/// Runs `operation`, compiled for each family of machines, in the form for this one.
///
/// The closure is to be marked `#[inline(always)]`. It is called as [`FnMut`], because a call as [`FnOnce`] goes through a
/// function in between, which is compiled for the least of all machines.
#[inline(always)]
pub fn vectorized(operation: impl FnMut()) {
    Arch::new().dispatch(Operation(operation));
}

struct Operation<F>(F);

impl<F: FnMut()> WithSimd for Operation<F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        (self.0)();
    }
}
