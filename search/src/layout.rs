//! How codes lie in memory: in blocks of 16 rows, each a run of groups that a kernel reads one by one.

/// Rows of a block: they lie side by side, one in each lane of the sums.
pub(crate) const BLOCK: usize = 16;

/// Dimensions are padded to a multiple of this: the longest run of codes that a kernel handles in one step.
pub(crate) const STEP: usize = 16;

/// Codes of one block: 4 dimensions of 16 rows, or 8 dimensions of 8 rows, as the kernel wants them.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Group(pub(crate) [u8; 64]);

/// How fine codes are: what an index is packed for, whatever their places in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codes {
    /// 7 bits: for `avx2`.
    Seven,
    /// 8 bits: for all other kernels.
    Eight,
}

impl Codes {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Seven, Self::Eight];

    /// What objects with such codes are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seven => "7bit",
            Self::Eight => "8bit",
        }
    }

    /// Their largest size.
    pub(crate) fn max(self) -> i32 {
        match self {
            Self::Seven => 63,
            Self::Eight => 127,
        }
    }
}

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

impl Coding {
    /// How codes lie in an index that is stored.
    pub(crate) const fn stored(row_max: i32) -> Self {
        Self { row_max, query_max: row_max, offset: 0, run: 4 }
    }
}
