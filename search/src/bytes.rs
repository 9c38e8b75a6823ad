//! Numbers as bytes, in the order of files: little-endian, as every processor that this runs on has them.

use crate::layout::Group;

const _: () = assert!(cfg!(target_endian = "little"), "files have numbers in little-endian order");

/// Numbers without padding, of which any bits are one.
///
/// # Safety
/// Just that.
#[expect(unsafe_code, reason = "a promise about types")]
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($kind:ty),*) => {
        $(
            // SAFETY: a number of a fixed width, or an array of them.
            #[expect(unsafe_code, reason = "as said")]
            unsafe impl Plain for $kind {}
        )*
    };
}

plain!(f32, u32, Group);

// SAFETY: arrays have no padding between their elements.
#[expect(unsafe_code, reason = "as said")]
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The bytes of numbers.
#[expect(unsafe_code, reason = "a cast of a buffer")]
pub(crate) fn bytes_of<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: the slice's own memory, without padding; bytes have no alignment.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// The bytes of numbers, to be written.
#[expect(unsafe_code, reason = "a cast of a buffer")]
pub(crate) fn bytes_of_mut<T: Plain>(numbers: &mut [T]) -> &mut [u8] {
    // SAFETY: as above; whatever is written makes numbers.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
}

/// The bytes of numbers.
pub fn as_bytes(numbers: &[f32]) -> &[u8] {
    bytes_of(numbers)
}

/// The bytes of numbers, to be written.
pub fn as_bytes_mut(numbers: &mut [f32]) -> &mut [u8] {
    bytes_of_mut(numbers)
}

/// The numbers of bytes that lie where numbers may lie; none if they do not.
#[expect(unsafe_code, reason = "a cast of a buffer")]
pub(crate) fn numbers_of(bytes: &[u8]) -> &[f32] {
    // SAFETY: any bits are a number, and what is not aligned is left out.
    let (before, numbers, _) = unsafe { bytes.align_to() };
    if before.is_empty() { numbers } else { &[] }
}

/// The same, to be written.
#[expect(unsafe_code, reason = "a cast of a buffer")]
pub(crate) fn numbers_of_mut(bytes: &mut [u8]) -> &mut [f32] {
    // SAFETY: as above; whatever is written are bytes.
    let (before, numbers, _) = unsafe { bytes.align_to_mut() };
    if before.is_empty() { numbers } else { &mut [] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_their_bytes_one_after_the_other() {
        let mut numbers = [1.0_f32, -0.0, f32::MAX, 1e-40];
        let oracle: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(as_bytes(&numbers), oracle);
        as_bytes_mut(&mut numbers)[8..12].copy_from_slice(&2.5_f32.to_le_bytes());
        assert_eq!(numbers.map(f32::to_bits), [1.0_f32, -0.0, 2.5, 1e-40].map(f32::to_bits));
        assert!(as_bytes(&[]).is_empty());
        assert_eq!(numbers_of(as_bytes(&numbers)).len(), 4);
        numbers_of_mut(as_bytes_mut(&mut numbers))[0] = 3.0;
        assert_eq!(numbers[0].to_bits(), 3.0_f32.to_bits());
        let rows = [[1_u32; 16], [7; 16]];
        assert_eq!(bytes_of(&rows).len(), 128);
        assert_eq!(bytes_of(&rows)[64..68], [7, 0, 0, 0]);
    }
}
