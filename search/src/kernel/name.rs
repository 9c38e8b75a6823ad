//! The kernels by name.

use std::fmt::{self, Display};
use std::str::FromStr;

use thiserror::Error;

/// An instruction set that can scan an index, whether or not this processor has it. Each gives the same rankings, to
/// the bit.
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
#[error("`{0}` is not a kernel; there are {names}", names = Kernel::ALL.map(Kernel::name).join(", "))]
pub struct UnknownKernel(String);

impl Kernel {
    /// All there are, slowest first on each architecture.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::Avx512Vnni, Self::DotProd, Self::I8mm];

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
