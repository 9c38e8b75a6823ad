//! The definition of the score: the cosine of two f32 vectors, the same bits on every processor.
//!
//! Floating-point addition is not associative, so the order of the sum is part of the definition: component `i` goes
//! to lane `i mod 8`, each lane is summed in ascending `i`, and the lanes are added as a fixed tree. Eight lanes, so
//! that the definition itself is what a vector unit does best. The product of two f32 is exact in f64, so fused and
//! separate multiply-add agree.

/// Sums that a dot product is made of.
pub(crate) const LANES: usize = 8;

/// The dot product of two vectors of the same length, as the definition sums it. Never -0, and finite if all
/// components are.
///
/// # Panics
/// If the lengths differ.
pub fn dot(x: &[f32], y: &[f32]) -> f64 {
    assert_eq!(x.len(), y.len(), "a dot product takes two vectors of the same length");
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for lane in 0..LANES {
            lanes[lane] += f64::from(x[lane]) * f64::from(y[lane]);
        }
    }
    for (lane, (&x, &y)) in lanes.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *lane += f64::from(x) * f64::from(y);
    }
    sum(lanes)
}

/// The dot products of several vectors with one of the same length that is f64 already: what [`dot`] gives for each.
pub(crate) fn dots<const N: usize>(x: &[f64], ys: [&[f32]; N]) -> [f64; N] {
    ys.map(|y| {
        let mut lanes = [0.0; LANES];
        for (x, y) in x.as_chunks::<LANES>().0.iter().zip(y.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                lanes[lane] += x[lane] * f64::from(y[lane]);
            }
        }
        finish(lanes, x, y)
    })
}

/// Adds what is left of two vectors behind their last whole run of lanes, and then the lanes.
#[inline]
pub(crate) fn finish(mut lanes: [f64; LANES], x: &[f64], y: &[f32]) -> f64 {
    for (lane, (x, &y)) in lanes.iter_mut().zip(x.as_chunks::<LANES>().1.iter().zip(y.as_chunks::<LANES>().1)) {
        *lane += x * f64::from(y);
    }
    sum(lanes)
}

/// The lanes, added as the definition's tree.
#[inline]
fn sum([l0, l1, l2, l3, l4, l5, l6, l7]: [f64; LANES]) -> f64 {
    ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))
}

/// The Euclidean length of a vector: the square root of its dot product with itself. Neither overflow nor underflow
/// can occur: it is 0 only if every component is 0, and not finite only if some component is not.
pub fn norm(x: &[f32]) -> f64 {
    dot(x, x).sqrt()
}

/// A vector scaled to length 1, each component rounded to f32. Inlined into what is compiled for a processor.
#[inline(always)]
#[expect(clippy::inline_always, reason = "its loop is to be compiled for the features of the function around it")]
pub(crate) fn unit(vector: &[f32], norm: f64, unit: &mut [f32]) {
    let inverse = 1.0 / norm;
    for (unit, &value) in unit.iter_mut().zip(vector) {
        *unit = (f64::from(value) * inverse) as f32;
    }
}

/// The score of two vectors from their dot product and their norms, both above 0: rounded once from f64 to f32, and
/// +0 rather than -0. Never beyond -1..=1: what the sums in f64 lose is far below half a unit in the last place of an f32
/// at 1, as long as vectors have fewer than 2^28 components.
pub fn cosine(xy: f64, x_norm: f64, y_norm: f64) -> f32 {
    (xy / (x_norm * y_norm)) as f32 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2^60: a one added to it is lost.
    const BIG: f32 = f32::from_bits((127 + 60) << 23);

    #[test]
    fn a_worked_example() {
        let (x, y) = ([3.0, 4.0], [4.0, 3.0]);
        assert_eq!(dot(&x, &y).to_bits(), 24.0_f64.to_bits());
        assert_eq!(norm(&x).to_bits(), 5.0_f64.to_bits());
        assert_eq!(cosine(24.0, 5.0, 5.0).to_bits(), 0.96_f32.to_bits());
    }

    #[test]
    fn components_go_to_lanes_by_their_number_modulo_eight() {
        // In lane 0, 2^60 and -2^60 meet before the ones of the other lanes could be lost in them.
        let mut x = [1.0; 9];
        (x[0], x[8]) = (BIG, -BIG);
        let ones = [1.0; 9];
        let sequential: f64 = x.iter().map(|&x| f64::from(x)).sum();
        assert_eq!(dot(&x, &ones).to_bits(), 7.0_f64.to_bits());
        assert_eq!(sequential.to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn lanes_are_added_as_the_fixed_tree() {
        // A one is lost if it meets 2^60 before that has met -2^60, so which ones survive tells the whole tree. Its
        // leaves, from left to right, so that shifted positions name the subtrees:
        const LEAVES: [usize; LANES] = [0, 4, 2, 6, 1, 5, 3, 7];
        for plus in 0..LANES {
            for minus in (0..LANES).filter(|&minus| minus != plus) {
                for one in (0..LANES).filter(|&one| one != plus && one != minus) {
                    let mut x = [0.0; LANES];
                    (x[LEAVES[plus]], x[LEAVES[minus]], x[LEAVES[one]]) = (BIG, -BIG, 1.0);
                    let meeting = (1..4).find(|level| plus >> level == minus >> level).unwrap();
                    let survives = one >> meeting != plus >> meeting;
                    assert_eq!(dot(&x, &[1.0; LANES]).to_bits(), f64::from(u8::from(survives)).to_bits());
                }
            }
        }
    }

    #[test]
    fn norms_are_multiplied_before_they_divide() {
        // The square of this root is slightly above 2, which takes the quotient just below a tie between two f32.
        let root = 2.0_f64.sqrt();
        let xy = 1.0 + 1.5 * f64::from(f32::EPSILON);
        let (below, above) = (0.5 + f32::EPSILON / 2.0, 0.5 + f32::EPSILON);
        assert_eq!(cosine(xy, root, root).to_bits(), below.to_bits());
        for otherwise in [xy / root / root, xy / (2.0_f64 * 2.0).sqrt()] {
            assert_eq!((otherwise as f32).to_bits(), above.to_bits());
        }
    }

    #[test]
    fn a_score_is_never_minus_zero() {
        assert_eq!(cosine(-1e-60, 1.0, 1.0).to_bits(), 0.0_f32.to_bits());
        assert_eq!(cosine(-0.0, 1.0, 1.0).to_bits(), 0.0_f32.to_bits());
    }

    #[test]
    fn extreme_components_neither_overflow_nor_vanish() {
        let tiny = f32::from_bits(1);
        for extreme in [tiny, f32::MIN_POSITIVE, f32::MAX] {
            let x = [extreme; 3];
            assert_eq!(cosine(dot(&x, &x), norm(&x), norm(&x)).to_bits(), 1.0_f32.to_bits());
        }
        let (x, y) = ([f32::MAX; 3], [-tiny; 3]);
        assert_eq!(cosine(dot(&x, &y), norm(&x), norm(&y)).to_bits(), (-1.0_f32).to_bits());
    }

    #[test]
    #[should_panic(expected = "same length")]
    fn vectors_of_different_lengths_are_refused() {
        dot(&[1.0, 2.0], &[1.0]);
    }
}
