//! Reading ahead.

use crate::layout::Group;

/// Brings a vector into the cache that will soon be read.
#[inline]
pub(crate) fn prefetch(vector: &[f32]) {
    for line in vector.chunks(64 / size_of::<f32>()) {
        prefetch_line(line.as_ptr());
    }
}

/// Brings a group into the cache that will soon be read.
#[inline(always)]
pub(super) fn prefetch_group(group: &Group) {
    prefetch_line(group);
}

#[inline(always)]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), expect(unsafe_code, reason = "an instruction"))]
fn prefetch_line<T>(line: *const T) {
    // SAFETY: every x86-64 processor has the instruction, and it cannot fault.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    // SAFETY: every 64-bit Arm processor has the instruction, and it cannot fault.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        use std::arch::asm;
        asm!("prfm pldl1keep, [{}]", in(reg) line, options(readonly, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = line;
}
