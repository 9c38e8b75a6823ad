//! What the loops of this room need from an instruction set.

use crate::layout::{BLOCK, Group};

/// Sixteen rows at once. Each method requires a processor with its features, and is inlined
/// into a function that enables them.
#[expect(unsafe_code, reason = "each method needs processor features")]
pub(super) trait Lanes {
    /// Integer sums of the 16 rows of a block with one query.
    type Sums: Copy;
    /// One f32 for each row of a block.
    type Floats: Copy;

    /// Sums of `B` blocks with each query of a tile of `Q`, whose words are interleaved, starting from `start`.
    ///
    /// # Safety
    /// The processor has the features; each block has as many groups as there are words for each query.
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Self::Sums; Q]; B];

    /// Sums of one block with one query.
    ///
    /// # Safety
    /// As for [`tile`](Self::tile).
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Self::Sums;

    /// # Safety
    /// The processor has the features.
    unsafe fn floats(sums: Self::Sums) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn load(values: &[f32; BLOCK]) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn splat(value: f32) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn add(x: Self::Floats, y: Self::Floats) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn multiply(x: Self::Floats, y: Self::Floats) -> Self::Floats;

    /// `x * y + z`, rounded once or twice.
    ///
    /// # Safety
    /// The processor has the features.
    unsafe fn multiply_add(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats;

    /// `x * y + z`, rounded once.
    ///
    /// # Safety
    /// The processor has the features.
    #[inline(always)]
    unsafe fn fused(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { Self::multiply_add(x, y, z) }
    }

    /// Bit i is set if row i of `x` is at least that of `y`.
    ///
    /// # Safety
    /// The processor has the features.
    unsafe fn reaches(x: Self::Floats, y: Self::Floats) -> u32;

    /// # Safety
    /// The processor has the features.
    unsafe fn store(x: Self::Floats) -> [f32; BLOCK];
}
