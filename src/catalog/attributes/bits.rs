//! One bit for each row, and the loops that take those away that do not pass.

use std::ops::Range;

/// Rows that a word has.
const WORD: usize = u64::BITS as usize;

/// One bit for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    rows: usize,
}

impl Bits {
    /// A bit for each of these.
    pub(super) fn of(bits: impl IntoIterator<Item = bool>) -> Self {
        let (mut words, mut rows) = (Vec::new(), 0);
        for bit in bits {
            if rows % WORD == 0 {
                words.push(0);
            }
            if let Some(word) = words.last_mut() {
                *word |= u64::from(bit) << (rows % WORD);
            }
            rows += 1;
        }
        words.shrink_to_fit();
        Self { words, rows }
    }

    /// All of so many rows.
    pub(super) fn all(rows: usize) -> Self {
        let mut words = vec![u64::MAX; rows.div_ceil(WORD)];
        if let (Some(last), 1..) = (words.last_mut(), rows % WORD) {
            *last = (1 << (rows % WORD)) - 1;
        }
        Self { words, rows }
    }

    /// None of so many rows.
    pub(super) fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(WORD)], rows }
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn into_words(self) -> Vec<u64> {
        self.words
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    pub(super) fn has(&self, row: usize) -> bool {
        self.words[row / WORD] >> (row % WORD) & 1 != 0
    }

    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Clears all words except every n-th.
    pub(super) fn thin_out(&mut self, n: usize) {
        for (number, word) in self.words.iter_mut().enumerate() {
            if !number.is_multiple_of(n) {
                *word = 0;
            }
        }
    }

    /// Keeps what is in the other, too.
    pub(super) fn intersect(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// Takes what is in the other away.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// Adds what is in the other.
    pub(super) fn unite(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

/// Takes the rows away whose value does not pass.
pub(super) fn retain<T: Copy>(values: &[T], rows: &mut Bits, passes: impl Fn(T) -> bool) {
    let (whole, rest) = values.as_chunks::<WORD>();
    for (word, values) in rows.words.iter_mut().zip(whole) {
        if *word != 0 {
            *word &= mask(values, &passes);
        }
    }
    if let Some(word) = rows.words.get_mut(whole.len()) {
        let bits = rest.iter().enumerate().map(|(row, &value)| u64::from(passes(value)) << row);
        *word &= bits.fold(0, |all, bit| all | bit);
    }
}

/// A bit for each value that passes.
#[inline]
fn mask<T: Copy>(values: &[T; WORD], passes: &impl Fn(T) -> bool) -> u64 {
    // First a byte for each, which the compiler does for many at once.
    let mut bytes = [0_u8; WORD];
    for (byte, &value) in bytes.iter_mut().zip(values) {
        *byte = u8::from(passes(value));
    }
    let mut mask = 0;
    for (number, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        // The lowest bits of eight bytes, gathered in the highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * number);
    }
    mask
}

/// Takes the rows away whose items do not pass; `ends` says for each row where its items end.
pub(super) fn retain_lists(ends: &[u32], rows: &mut Bits, passes: impl Fn(Range<usize>) -> bool) {
    retain_rows(rows, |row| {
        let start = if row == 0 { 0 } else { ends[row - 1] as usize };
        passes(start..ends[row] as usize)
    });
}

/// Takes the rows away that do not pass, one by one.
pub(super) fn retain_rows(rows: &mut Bits, passes: impl Fn(usize) -> bool) {
    for (number, word) in rows.words.iter_mut().enumerate() {
        let mut left = *word;
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            if !passes(number * WORD + bit) {
                *word &= !(1 << bit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_are_what_was_asked_of_each_row(
            rows in prop::collection::vec((any::<bool>(), any::<u8>()), 0..300), least in any::<u8>(),
        ) {
            let mut bits = Bits::of(rows.iter().map(|row| row.0));
            let values: Vec<u8> = rows.iter().map(|row| row.1).collect();
            prop_assert_eq!(bits.count(), rows.iter().filter(|row| row.0).count());
            let mut one_by_one = bits.clone();
            retain(&values, &mut bits, |value| value >= least);
            retain_rows(&mut one_by_one, |row| values[row] >= least);
            prop_assert_eq!(&bits, &one_by_one);
            for (row, &(before, value)) in rows.iter().enumerate() {
                prop_assert_eq!(bits.has(row), before && value >= least);
            }
        }

        #[test]
        fn sets_are_combined_bit_by_bit(rows in prop::collection::vec(any::<(bool, bool)>(), 0..200)) {
            let (one, other) = (Bits::of(rows.iter().map(|row| row.0)), Bits::of(rows.iter().map(|row| row.1)));
            let combined = |combine: fn(&mut Bits, &Bits)| {
                let mut bits = one.clone();
                combine(&mut bits, &other);
                bits
            };
            prop_assert_eq!(combined(Bits::intersect), Bits::of(rows.iter().map(|row| row.0 && row.1)));
            prop_assert_eq!(combined(Bits::subtract), Bits::of(rows.iter().map(|row| row.0 && !row.1)));
            prop_assert_eq!(combined(Bits::unite), Bits::of(rows.iter().map(|row| row.0 || row.1)));
            prop_assert_eq!(Bits::all(rows.len()), Bits::of(rows.iter().map(|_| true)));
            prop_assert_eq!(Bits::none(rows.len()), Bits::of(rows.iter().map(|_| false)));
        }
    }
}
