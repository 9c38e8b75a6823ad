//! The kernels that this processor has, and what they do.
//!
//! An [`Available`] is the proof that the processor has a kernel's instructions: only [`Kernel::detect`] makes one. All
//! calls from here into code for processor features rest on that.

use std::fmt::{self, Display};

use super::candidates::Candidates;
use super::matrix::Panels;
use super::name::Kernel;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::portable;
use super::tile::Scan;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::layout::{BLOCK, Coding};
use crate::quantize::{self, CodedQuery, Segment, SegmentPart};
use crate::score;

/// A kernel that this processor can run; [`Kernel::detect`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available(Kernel);

impl Kernel {
    /// The kernel, ready to run, if this processor has its instructions.
    pub fn detect(self) -> Option<Available> {
        let detected = match self {
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
        };
        detected.then_some(Available(self))
    }

    /// Those that this processor has, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Available> {
        Self::ALL.into_iter().filter_map(Self::detect)
    }

    /// The best that this processor has.
    pub fn fastest() -> Available {
        Self::available().next_back().expect("the portable kernel runs anywhere")
    }
}

impl Available {
    /// Which kernel it is.
    pub fn kernel(self) -> Kernel {
        self.0
    }

    /// As [`Kernel::name`].
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn coding(self) -> Coding {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::CODING,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => avx512::CODING,
            #[cfg(target_arch = "aarch64")]
            Kernel::DotProd => neon::dotprod::CODING,
            #[cfg(target_arch = "aarch64")]
            Kernel::I8mm => neon::i8mm::CODING,
            _ => portable::CODING,
        }
    }

    /// Widths of the tiles that queries are gathered in, widest first; the last is 1.
    pub(crate) fn tile_widths(self) -> &'static [usize] {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => &avx2::WIDTHS,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => &avx512::WIDTHS,
            #[cfg(target_arch = "aarch64")]
            Kernel::DotProd => &neon::dotprod::WIDTHS,
            #[cfg(target_arch = "aarch64")]
            Kernel::I8mm => &neon::i8mm::WIDTHS,
            _ => &portable::WIDTHS,
        }
    }

    /// Appends the rows that can still reach their query's threshold.
    #[expect(unsafe_code, reason = "calls into code for processor features")]
    pub(crate) fn scan(self, scan: &Scan<'_>, candidates: &mut Candidates) {
        match self.0 {
            // SAFETY: `detect` found the features that this needs, or there would be no such value.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::scan(scan, candidates) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => unsafe { avx512::scan(scan, candidates) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Kernel::DotProd => unsafe { neon::dotprod::scan(scan, candidates) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Kernel::I8mm => unsafe { neon::i8mm::scan(scan, candidates) },
            _ => portable::scan(scan, candidates),
        }
    }

    /// Lower bounds of the rows of one block for one query, in its units.
    #[expect(unsafe_code, reason = "calls into code for processor features")]
    pub(crate) fn lower_bounds(self, segments: &[Segment], at: usize, query: &CodedQuery) -> [f32; BLOCK] {
        match self.0 {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::lower_bounds(segments, at, query) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => unsafe { avx512::lower_bounds(segments, at, query) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "aarch64")]
            Kernel::DotProd => unsafe { neon::dotprod::lower_bounds(segments, at, query) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "aarch64")]
            Kernel::I8mm => unsafe { neon::i8mm::lower_bounds(segments, at, query) },
            _ => portable::lower_bounds(segments, at, query),
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
        match self.0 {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::rate(columns, vector, products) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => unsafe { avx512::rate(columns, vector, products) },
            #[cfg(target_arch = "aarch64")]
            Kernel::DotProd | Kernel::I8mm => neon::rate(columns, vector, products),
            _ => portable::rate(columns, vector, products),
        }
    }

    /// Adds to `products` those of vectors, one after the other, and a matrix: the same bits whatever the kernel.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "calls into code for processor features"))]
    pub(crate) fn multiply(self, vectors: &[f32], matrix: &Panels, products: &mut [f32]) {
        match self.0 {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::multiply(vectors, matrix, products) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => unsafe { avx512::multiply(vectors, matrix, products) },
            #[cfg(target_arch = "aarch64")]
            Kernel::DotProd | Kernel::I8mm => neon::multiply(vectors, matrix, products),
            _ => portable::multiply(vectors, matrix, products),
        }
    }

    /// [`quantize::pack`], compiled for the kernel's processor: the same bits whatever the kernel.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "calls into code for processor features"))]
    pub(crate) fn pack(
        self,
        rows: &[f32],
        dimension: usize,
        error: f32,
        coding: Coding,
        parts: &mut [SegmentPart<'_>],
    ) {
        match self.0 {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 | Kernel::Avx512Vnni => unsafe { avx2::pack(rows, dimension, error, coding, parts) },
            _ => quantize::pack(rows, dimension, error, coding, parts),
        }
    }

    /// A vector scaled to length 1 and rounded to f32, compiled for the kernel's processor: the same bits whatever the
    /// kernel. Both have as many components.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "calls into code for processor features"))]
    pub(crate) fn unit(self, vector: &[f32], norm: f64, unit: &mut [f32]) {
        match self.0 {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 | Kernel::Avx512Vnni => unsafe { avx2::unit(vector, norm, unit) },
            _ => score::unit(vector, norm, unit),
        }
    }

    /// The dot products of the score's definition, compiled for the kernel's processor.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "calls into code for processor features"))]
    pub(crate) fn dots<const N: usize>(self, x: &[f64], ys: [&[f32]; N]) -> [f64; N] {
        match self.0 {
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::dots(x, ys) },
            // SAFETY: as in `scan`.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => unsafe { avx512::dots(x, ys) },
            #[cfg(target_arch = "aarch64")]
            Kernel::DotProd | Kernel::I8mm => neon::dots(x, ys),
            _ => score::dots(x, ys),
        }
    }
}

impl Display for Available {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
