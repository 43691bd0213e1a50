//! Memory on its way to a core's cache before it is read.
#![allow(unsafe_code, reason = "a hint takes a pointer")]

/// Has the line with this byte come into a core's own cache, where there is a hint for it.
#[inline(always)]
pub fn fetch(byte: &u8) {
    let byte: *const u8 = byte;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 CPU has the instruction, and it reads nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(byte.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: every 64-bit ARM CPU has the instruction, and it changes nothing.
    unsafe {
        std::arch::asm!("prfm pldl2keep, [{0}]", in(reg) byte, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = byte;
}
