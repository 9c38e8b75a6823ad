//! The instruction sets that scan codes, and the loop that they share.
//!
//! A kernel says how fine its codes are, how they lie in a group, and how the integer products of a tile of rows and
//! queries are summed; [`tile`] does the rest, compiled once for each instruction set. Which kernel runs can change
//! which rows are rescored, never what is found. [`portable`] is safe code and what the others are tested against.

#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of the function around it")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;
mod tile;

use std::fmt::{self, Display};
use std::str::FromStr;

use thiserror::Error;

use crate::score;
pub(crate) use tile::{Hits, Scan, Tiles};

/// Rows of a block: they lie side by side, one in each lane of the sums.
pub(crate) const BLOCK: usize = 16;

/// Dimensions are padded to a multiple of this: the longest run of codes that a kernel handles in one step.
pub(crate) const STEP: usize = 16;

/// Codes of one block: 4 dimensions of 16 rows, or 8 dimensions of 8 rows, as the kernel wants them.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Group(pub(crate) [u8; 64]);

/// An instruction set that can scan an index. Each gives the same rankings, to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Plain Rust, for any processor.
    Portable,
    /// x86-64 with AVX2 and FMA: 7-bit codes, `vpmaddubsw`.
    Avx2,
    /// x86-64 with AVX-512 VNNI: 8-bit codes, `vpdpbusd`.
    Avx512Vnni,
    /// 64-bit Arm with the dot product extension: 8-bit codes, `sdot`.
    DotProd,
    /// 64-bit Arm with the int8 matrix multiplication extension: 8-bit codes, `smmla`.
    I8mm,
}

/// A name that is no kernel's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a kernel; there are {names}", names = names(&Kernel::ALL))]
pub struct UnknownKernel(String);

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

impl Kernel {
    /// All there are, slowest first on each architecture.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::Avx512Vnni, Self::DotProd, Self::I8mm];

    /// The best that this processor has.
    pub fn fastest() -> Self {
        Self::available().next_back().expect("the portable kernel runs anywhere")
    }

    /// Those that this processor has, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_available())
    }

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => avx512::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::DotProd => neon::dotprod::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => neon::i8mm::is_available(),
            _ => false,
        }
    }

    /// What it is called in settings and reports: the processor feature's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512Vnni => "avx512vnni",
            Self::DotProd => "dotprod",
            Self::I8mm => "i8mm",
        }
    }

    pub(crate) fn coding(self) -> Coding {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::CODING,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => avx512::CODING,
            #[cfg(target_arch = "aarch64")]
            Self::DotProd => neon::dotprod::CODING,
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => neon::i8mm::CODING,
            _ => portable::CODING,
        }
    }

    /// Widths of the tiles that queries are gathered in, widest first; the last is 1.
    pub(crate) fn tile_widths(self) -> &'static [usize] {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => &avx2::WIDTHS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => &avx512::WIDTHS,
            #[cfg(target_arch = "aarch64")]
            Self::DotProd => &neon::dotprod::WIDTHS,
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => &neon::i8mm::WIDTHS,
            _ => &portable::WIDTHS,
        }
    }

    /// Appends the rows that can still reach their query's threshold.
    #[expect(unsafe_code, reason = "calls into code for processor features")]
    pub(crate) fn scan(self, scan: &Scan<'_>, hits: &mut Hits) {
        match self {
            // SAFETY: an index only takes an available kernel, so the processor has the features that these need.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::scan(scan, hits) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { avx512::scan(scan, hits) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::DotProd => unsafe { neon::dotprod::scan(scan, hits) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => unsafe { neon::i8mm::scan(scan, hits) },
            _ => portable::scan(scan, hits),
        }
    }

    /// Appends the product of each column with the vector, 16 columns at a time.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "calls into code for processor features"))]
    pub(crate) fn rate<const N: usize>(
        self,
        columns: &[[[f32; BLOCK]; N]],
        vector: &[f32; N],
        products: &mut Vec<f32>,
    ) {
        match self {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::rate(columns, vector, products) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { avx512::rate(columns, vector, products) },
            #[cfg(target_arch = "aarch64")]
            Self::DotProd | Self::I8mm => neon::rate(columns, vector, products),
            _ => portable::rate(columns, vector, products),
        }
    }

    /// The dot products of the score's definition, compiled for the kernel's processor.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "calls into code for processor features"))]
    pub(crate) fn dots<const N: usize>(self, x: &[f64], ys: [&[f32]; N]) -> [f64; N] {
        match self {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::dots(x, ys) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { avx512::dots(x, ys) },
            #[cfg(target_arch = "aarch64")]
            Self::DotProd | Self::I8mm => neon::dots(x, ys),
            _ => score::dots(x, ys),
        }
    }
}

/// Asks for a vector that will soon be read.
#[inline]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), expect(unsafe_code, reason = "an instruction"))]
pub(crate) fn prefetch(vector: &[f32]) {
    for line in vector.chunks(64 / size_of::<f32>()) {
        // SAFETY: every x86-64 processor has the instruction, and it cannot fault.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
        // SAFETY: every 64-bit Arm processor has the instruction, and it cannot fault.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            use std::arch::asm;
            asm!("prfm pldl1keep, [{}]", in(reg) line.as_ptr(), options(readonly, nostack, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = line;
    }
}

impl Display for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = UnknownKernel;

    fn from_str(name: &str) -> Result<Self, UnknownKernel> {
        Self::ALL.into_iter().find(|kernel| kernel.name() == name).ok_or_else(|| UnknownKernel(name.to_owned()))
    }
}

/// Kernel names for a message, separated by commas.
pub(crate) fn names(kernels: &[Kernel]) -> String {
    kernels.iter().map(|kernel| kernel.name()).collect::<Vec<_>>().join(", ")
}
