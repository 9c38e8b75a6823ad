//! Some of the rows of a layer: those that a query may match.
//!
//! One bit for each row, in the order in which the layer's rows are scanned, so that whole blocks and chunks without such
//! a row are passed over.

use std::ops::Range;

use crate::layout::BLOCK;

/// Rows of one layer, by their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PositionSet {
    /// For each block of positions a bit for each of them, the first one lowest.
    blocks: Vec<u16>,
    rows: usize,
    blocks_with_rows: usize,
    /// The positions themselves where that takes no more memory than the bits.
    few: Option<Vec<u32>>,
}

impl PositionSet {
    /// `position` tells where a row is, of so many; `bits` has a bit for each row.
    pub(crate) fn new(bits: &[u64], count: usize, position: impl Fn(usize) -> usize) -> Self {
        let words = 0..count.div_ceil(64);
        // Of the last word the bits of rows alone.
        let mask = |word: usize| u64::MAX >> (64 * (word + 1)).saturating_sub(count);
        let rows: usize = words.clone().map(|word| (bits[word] & mask(word)).count_ones() as usize).sum();
        // From all or from none, whichever is closer.
        let from_all = 2 * rows > count;
        let mut blocks = vec![if from_all { u16::MAX } else { 0 }; count.div_ceil(BLOCK)];
        if let (Some(block), 1.., true) = (blocks.last_mut(), count % BLOCK, from_all) {
            *block = (1 << (count % BLOCK)) - 1;
        }
        for word in words {
            let changed = if from_all { !bits[word] } else { bits[word] };
            let mut left = changed & mask(word);
            while left != 0 {
                let position = position(64 * word + left.trailing_zeros() as usize);
                left &= left - 1;
                blocks[position / BLOCK] ^= 1 << (position % BLOCK);
            }
        }
        let blocks_with_rows = blocks.iter().filter(|&&block| block != 0).count();
        let mut set = Self { blocks, rows, blocks_with_rows, few: None };
        if rows * u32::BITS as usize <= count {
            set.few = Some(set.positions(0..count).map(|position| position as u32).collect());
        }
        set
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// How many blocks have such a row.
    pub(crate) fn blocks_with_rows(&self) -> usize {
        self.blocks_with_rows
    }

    /// Whether most blocks have none.
    pub(crate) fn is_sparse(&self) -> bool {
        10 * self.blocks_with_rows < 3 * self.blocks.len()
    }

    /// What it keeps in memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.blocks.as_slice()) + self.few.as_ref().map_or(0, |few| size_of_val(few.as_slice()))
    }

    /// A bit for each position of some blocks.
    #[inline]
    pub(crate) fn blocks(&self, blocks: Range<usize>) -> &[u16] {
        &self.blocks[blocks]
    }

    #[inline]
    pub(crate) fn contains(&self, position: usize) -> bool {
        self.blocks[position / BLOCK] >> (position % BLOCK) & 1 != 0
    }

    /// How many of some positions it has.
    pub(crate) fn count(&self, positions: Range<usize>) -> usize {
        if let Some(few) = &self.few {
            return few[of(few, &positions)].len();
        }
        let bits = |block: usize| self.in_block(block, &positions).count_ones() as usize;
        (positions.start / BLOCK..positions.end.div_ceil(BLOCK)).map(bits).sum()
    }

    /// Those of some positions that it has, ascending.
    pub(crate) fn positions(&self, positions: Range<usize>) -> impl Iterator<Item = usize> {
        let few = self.few.as_deref().map(|few| &few[of(few, &positions)]);
        let blocks = if few.is_some() { 0..0 } else { positions.start / BLOCK..positions.end.div_ceil(BLOCK) };
        let few = few.unwrap_or_default().iter().map(|&position| position as usize);
        few.chain(blocks.flat_map(move |block| {
            let mut bits = self.in_block(block, &positions);
            std::iter::from_fn(move || {
                let lane = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(block * BLOCK + lane)
            })
        }))
    }

    /// The bits of a block, but for positions outside of a range that ends or starts there.
    #[inline]
    fn in_block(&self, block: usize, positions: &Range<usize>) -> u16 {
        let first = block * BLOCK;
        let mut bits = self.blocks[block];
        if positions.start > first {
            bits &= u16::MAX << (positions.start - first);
        }
        if positions.end < first + BLOCK {
            bits &= (1 << (positions.end - first)) - 1;
        }
        bits
    }
}

/// Which of some ascending positions are in a range.
fn of(few: &[u32], positions: &Range<usize>) -> Range<usize> {
    let before = |bound: usize| few.partition_point(|&position| (position as usize) < bound);
    before(positions.start)..before(positions.end).max(before(positions.start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_are_those_of_rows_whose_bit_is_set(
            passing in (0.0_f64..1.0).prop_flat_map(|share| prop::collection::vec(prop::bool::weighted(share), 1..400)),
            order in any::<u64>(),
            bounds in any::<[prop::sample::Index; 2]>(),
        ) {
            let mut order_of: Vec<u32> = (0..passing.len() as u32).collect();
            fastrand::Rng::with_seed(order).shuffle(&mut order_of);
            let mut bits = vec![0_u64; passing.len().div_ceil(64)];
            for (row, _) in passing.iter().enumerate().filter(|(_, passes)| **passes) {
                bits[row / 64] |= 1 << (row % 64);
            }
            let mut position_of = vec![0; passing.len()];
            order_of.iter().enumerate().for_each(|(position, &row)| position_of[row as usize] = position);
            // Bits beyond the last row count for nothing.
            if passing.len() % 64 > 0 {
                *bits.last_mut().unwrap() |= u64::MAX << (passing.len() % 64);
            }
            let set = PositionSet::new(&bits, passing.len(), |row| position_of[row]);
            let passes = |position: usize| passing[order_of[position] as usize];
            prop_assert_eq!(set.rows(), passing.iter().filter(|passes| **passes).count());
            let [a, b] = bounds.map(|bound| bound.index(passing.len() + 1));
            let range = a.min(b)..a.max(b);
            let expected: Vec<usize> = range.clone().filter(|&position| passes(position)).collect();
            prop_assert_eq!(set.count(range.clone()), expected.len());
            prop_assert_eq!(set.positions(range.clone()).collect::<Vec<_>>(), expected);
            prop_assert!(range.clone().all(|position| set.contains(position) == passes(position)));
        }
    }
}
