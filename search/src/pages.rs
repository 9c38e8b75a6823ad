//! Huge pages for what a search reads: with pages of 4 KiB a core waits for the page table as well as for the rows.
//!
//! An advice to the system, nothing more: where it is not taken, searches are slower and find the same.

/// Asks for huge pages: for what lies in memory already at once, for the rest when it is written.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_huge_pages<T>(memory: &[T]) {
    advise(memory, &[libc::MADV_HUGEPAGE, libc::MADV_COLLAPSE]);
}

/// The same for memory that nobody wrote to: it stays without pages until somebody does.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_huge_pages_later<T>(memory: &[T]) {
    advise(memory, &[libc::MADV_HUGEPAGE]);
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a system call about memory")]
fn advise<T>(memory: &[T], advices: &[libc::c_int]) {
    /// A huge page where pages have 4 KiB.
    const HUGE: usize = 2 << 20;
    let range = memory.as_ptr_range();
    let start = range.start.map_addr(|start| start.next_multiple_of(HUGE));
    let Some(bytes) = (range.end.addr() / HUGE * HUGE).checked_sub(start.addr()).filter(|&bytes| bytes > 0) else {
        return;
    };
    for &advice in advices {
        // SAFETY: whole pages inside the slice; both change how they are mapped, never what they hold. Refusals matter
        // as little as success.
        let _ = unsafe { libc::madvise(start.cast_mut().cast(), bytes, advice) };
    }
}

/// Does nothing: only Linux takes the advice.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ask_for_huge_pages<T>(_: &[T]) {}

/// Does nothing: only Linux takes the advice.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ask_for_huge_pages_later<T>(_: &[T]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_keeps_what_it_holds() {
        for length in [0, 1, 1 << 18, 3 << 20] {
            let mut numbers = Vec::with_capacity(length);
            ask_for_huge_pages(numbers.spare_capacity_mut());
            numbers.extend(0..length as u32);
            ask_for_huge_pages(&numbers);
            assert!(numbers.iter().copied().eq(0..length as u32), "{length}");
        }
    }
}
