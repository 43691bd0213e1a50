//! Weights on their way to the cache before they are read.
#![allow(unsafe_code, reason = "a hint takes a pointer")]

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

/// Bytes that come together.
const LINE: usize = 64;

/// Has weights come into a core's own cache.
#[inline(always)]
pub fn fetch(weights: &[i8]) {
    for line in weights.chunks(LINE) {
        // SAFETY: every x86-64 CPU has the instruction, and it reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr()) };
    }
}
