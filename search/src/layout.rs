//! How codes lie in memory: in blocks of 16 rows, each a run of groups that a kernel reads one by one.

/// Rows of a block: they lie side by side, one in each lane of the sums.
pub(crate) const BLOCK: usize = 16;

/// Dimensions are padded to a multiple of this: the longest run of codes that a kernel handles in one step.
pub(crate) const STEP: usize = 16;

/// Codes of one block: 4 dimensions of 16 rows, or 8 dimensions of 8 rows, as the kernel wants them.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Group(pub(crate) [u8; 64]);

/// How a kernel codes components: integers of at most this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Largest code of a row.
    pub(crate) row_max: i32,
    /// Largest code of a query.
    pub(crate) query_max: i32,
    /// Added to the codes of rows where the instruction wants them unsigned.
    pub(crate) offset: i32,
    /// Dimensions that one row has side by side in a group: 4 or 8.
    pub(crate) run: usize,
}
