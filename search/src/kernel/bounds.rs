//! The bounds of what a block's rows score for a query, segment by segment, for any instruction set.

use super::lanes::Lanes;
use crate::layout::BLOCK;
use crate::quantize::{CodedQuery, Part, Segment};

/// What is known of the rows of a block in one segment.
pub(super) struct Numbers<F> {
    scales: F,
    errors: F,
    rests: Option<F>,
}

/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn numbers<L: Lanes>(segment: &Segment, at: usize) -> Numbers<L::Floats> {
    // SAFETY: the caller's promise.
    unsafe {
        Numbers {
            scales: L::load(&segment.scales[at]),
            errors: L::load(&segment.errors[at]),
            rests: segment.rests.get(at).map(|rests| L::load(rests)),
        }
    }
}

/// Adds a segment's sums to the products of those before it, in the query's unit.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn add<L: Lanes>(
    numbers: &Numbers<L::Floats>,
    part: &Part,
    sums: L::Floats,
    products: L::Floats,
) -> L::Floats {
    // SAFETY: the caller's promise.
    unsafe { L::multiply_add(L::multiply(sums, numbers.scales), L::splat(part.scale), products) }
}

/// The bound after a segment, in the query's unit.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn bound<L: Lanes>(numbers: &Numbers<L::Floats>, part: &Part, products: L::Floats) -> L::Floats {
    // SAFETY: the caller's promise.
    unsafe {
        let mut bound = L::multiply_add(numbers.errors, L::splat(part.error_weight), products);
        if let Some(rests) = numbers.rests {
            bound = L::multiply_add(rests, L::splat(part.rest_weight), bound);
        }
        L::add(bound, L::splat(part.shift))
    }
}

/// Lower bounds of the rows of one block for one query, in its units.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn lower_bounds<L: Lanes>(segments: &[Segment], at: usize, query: &CodedQuery) -> [f32; BLOCK] {
    // SAFETY: the caller's promise; the words are cut to those of the segment, which are as many as a block's groups.
    unsafe {
        let mut products = L::splat(0.0);
        let mut lower = products;
        for (segment, part) in segments.iter().zip(&query.parts) {
            let sums = L::block(segment.block(at), &part.words[..segment.words()], part.start);
            let numbers = numbers::<L>(segment, at);
            products = add::<L>(&numbers, part, L::floats(sums), products);
            lower = mirrored::<L>(products, bound::<L>(&numbers, part, products));
        }
        L::store(lower)
    }
}

/// As far below the products as the bound is above them.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn mirrored<L: Lanes>(products: L::Floats, bound: L::Floats) -> L::Floats {
    // SAFETY: the caller's promise.
    unsafe { L::multiply_add(products, L::splat(2.0), L::multiply(bound, L::splat(-1.0))) }
}
