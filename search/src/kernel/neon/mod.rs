//! 64-bit Arm. [`dotprod`] and [`i8mm`] are named after the extension that multiplies their codes, with instructions
//! that have no stable intrinsics yet and are written as assembly. What they share is plain NEON, which every such
//! processor has.

pub(super) mod dotprod;
pub(super) mod i8mm;
mod lanes;

pub(super) use dotprod::{multiply, rate};
pub(super) use lanes::dots;
