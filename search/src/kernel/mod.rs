//! The instruction sets that scan codes, and the SIMD loop that they share.
//!
//! A kernel says how fine its codes are, how they lie in a group, and how the integer products of a tile of rows and
//! queries are summed; [`tile`] does the rest, compiled once for each instruction set. Which kernel runs can change
//! which rows are rescored, never what is found. [`portable`] is safe code and what the others are tested against.

#![allow(clippy::inline_always, reason = "what is inlined is compiled for the features of the function around it")]

mod available;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bounds;
mod candidates;
mod lanes;
mod matrix;
mod name;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod prefetch;
mod query_tiles;
#[cfg(test)]
mod tests;
mod tile;

pub use available::Available;
pub(crate) use candidates::Candidates;
pub(crate) use matrix::{Panels, RUN};
pub use name::{Kernel, UnknownKernel};
pub(crate) use prefetch::prefetch;
pub(crate) use query_tiles::Tiles;
pub(crate) use tile::{Ahead, Scan, Thresholds};
