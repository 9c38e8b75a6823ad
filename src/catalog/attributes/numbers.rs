//! Numbers of a whole column in as few bytes as they take, and which of them lie in some ranges.

use std::ops::RangeInclusive;

use super::bits::{Bits, retain, retain_lists};

/// Numbers, one after the other.
#[derive(Debug)]
pub(super) enum Numbers {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(i128),
    Float32(f32),
    Float(f64),
}

/// The numbers that are looked for: those in one of these ranges, which are ascending and do not overlap. NaN is in none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ranges {
    Integers(Vec<RangeInclusive<i128>>),
    Floats(Vec<RangeInclusive<f64>>),
}

/// Does the same with numbers of any type.
macro_rules! with_any {
    ($numbers:expr, $values:ident => $do:expr) => {
        match $numbers {
            Numbers::I8($values) => $do,
            Numbers::I16($values) => $do,
            Numbers::I32($values) => $do,
            Numbers::I64($values) => $do,
            Numbers::U8($values) => $do,
            Numbers::U16($values) => $do,
            Numbers::U32($values) => $do,
            Numbers::U64($values) => $do,
            Numbers::F32($values) => $do,
            Numbers::F64($values) => $do,
        }
    };
}

impl Numbers {
    /// Integers, in the narrowest type that holds them all.
    pub(super) fn signed(values: Vec<i64>) -> Self {
        let (least, most) = values.iter().fold((0, 0), |(least, most), &value| (value.min(least), value.max(most)));
        let holds = |bits: u32| least >= -(1_i64 << (bits - 1)) && most < 1_i64 << (bits - 1);
        if least >= 0 {
            Self::unsigned(values.into_iter().map(i64::cast_unsigned).collect())
        } else if holds(8) {
            Self::I8(values.into_iter().map(|value| value as i8).collect())
        } else if holds(16) {
            Self::I16(values.into_iter().map(|value| value as i16).collect())
        } else if holds(32) {
            Self::I32(values.into_iter().map(|value| value as i32).collect())
        } else {
            Self::I64(shrunk(values))
        }
    }

    /// Integers that are not negative, in the narrowest type that holds them all.
    pub(super) fn unsigned(values: Vec<u64>) -> Self {
        match values.iter().copied().max().unwrap_or(0) {
            0..=0xff => Self::U8(values.into_iter().map(|value| value as u8).collect()),
            0x100..=0xffff => Self::U16(values.into_iter().map(|value| value as u16).collect()),
            0x1_0000..=0xffff_ffff => Self::U32(values.into_iter().map(|value| value as u32).collect()),
            _ => Self::U64(shrunk(values)),
        }
    }

    pub(super) fn floats32(values: Vec<f32>) -> Self {
        Self::F32(shrunk(values))
    }

    pub(super) fn floats(values: Vec<f64>) -> Self {
        Self::F64(shrunk(values))
    }

    pub(super) fn len(&self) -> usize {
        with_any!(self, values => values.len())
    }

    pub(super) fn get(&self, at: usize) -> Number {
        with_any!(self, values => values[at].number())
    }

    /// An integer that is not negative, as positions and lengths are.
    pub(super) fn index(&self, at: usize) -> usize {
        match self.get(at) {
            Number::Integer(value) => value as usize,
            Number::Float32(_) | Number::Float(_) => 0,
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        with_any!(self, values => values.capacity() * values.first().map_or(0, size_of_val))
    }

    /// Takes the rows away whose number is in none of the ranges.
    pub(super) fn retain(&self, ranges: &Ranges, rows: &mut Bits) {
        with_any!(self, values => {
            let ranges = Value::ranges(ranges);
            match &ranges[..] {
                [] => rows.clear(),
                [range] => retain(values, rows, |value| value.is_in(range)),
                [a, b] => retain(values, rows, |value| value.is_in(a) | value.is_in(b)),
                [a, b, c] => retain(values, rows, |value| value.is_in(a) | value.is_in(b) | value.is_in(c)),
                many => match Value::table(many) {
                    Some(table) => retain(values, rows, |value| table[value.place()]),
                    None => retain(values, rows, |value| value.is_in_one(many)),
                },
            }
        });
    }

    /// Takes the rows away none of whose numbers is in one of the ranges. `ends` says for each row where its own end.
    pub(super) fn retain_lists(&self, ends: &[u32], ranges: &Ranges, rows: &mut Bits) {
        with_any!(self, values => {
            let ranges = Value::ranges(ranges);
            match Value::table(&ranges) {
                Some(table) => retain_lists(ends, rows, |items| values[items].iter().any(|value| table[value.place()])),
                None => retain_lists(ends, rows, |items| values[items].iter().any(|value| value.is_in_one(&ranges))),
            }
        });
    }
}

/// What the types of numbers have in common.
trait Value: Copy + PartialOrd {
    fn number(self) -> Number;

    /// The ranges as far as this type goes.
    fn ranges(ranges: &Ranges) -> Vec<RangeInclusive<Self>>;

    /// For each value of the type whether it is in one of the ranges; `None`: there are too many values. Codes of strings
    /// are of such types, and may be looked for by the hundred.
    fn table(_: &[RangeInclusive<Self>]) -> Option<Vec<bool>> {
        None
    }

    /// Its place in the table.
    #[inline]
    fn place(self) -> usize {
        0
    }

    #[inline]
    fn is_in(self, range: &RangeInclusive<Self>) -> bool {
        // Both are looked at, so that the compiler does several rows at once.
        (*range.start() <= self) & (self <= *range.end())
    }

    /// Whether it is in one of some ranges, which are ascending.
    #[inline]
    fn is_in_one(self, ranges: &[RangeInclusive<Self>]) -> bool {
        let after = ranges.partition_point(|range| *range.start() <= self);
        after > 0 && self <= *ranges[after - 1].end()
    }
}

/// What a type of few values has of [`Value`].
macro_rules! few {
    () => {
        fn table(ranges: &[RangeInclusive<Self>]) -> Option<Vec<bool>> {
            let mut table = vec![false; Self::MAX as usize + 1];
            for range in ranges {
                table[usize::from(*range.start())..=usize::from(*range.end())].fill(true);
            }
            Some(table)
        }

        #[inline]
        fn place(self) -> usize {
            self.into()
        }
    };
}

macro_rules! integers {
    ($($type:ty $(, $table:ident)?;)*) => {$(
        impl Value for $type {
            fn number(self) -> Number {
                Number::Integer(self.into())
            }

            fn ranges(ranges: &Ranges) -> Vec<RangeInclusive<Self>> {
                let Ranges::Integers(ranges) = ranges else { return Vec::new() };
                let (least, most) = (i128::from(Self::MIN), i128::from(Self::MAX));
                let held = |range: &RangeInclusive<i128>| {
                    let (start, end) = (*range.start().max(&least), *range.end().min(&most));
                    (start <= end).then_some(start as Self..=end as Self)
                };
                ranges.iter().filter_map(held).collect()
            }

            $($table!();)?
        }
    )*};
}

integers!(i8; i16; i32; i64; u8, few; u16, few; u32; u64;);

impl Value for f64 {
    fn number(self) -> Number {
        Number::Float(self)
    }

    fn ranges(ranges: &Ranges) -> Vec<RangeInclusive<Self>> {
        match ranges {
            Ranges::Integers(_) => Vec::new(),
            Ranges::Floats(ranges) => ranges.clone(),
        }
    }
}

impl Value for f32 {
    fn number(self) -> Number {
        Number::Float32(self)
    }

    fn ranges(ranges: &Ranges) -> Vec<RangeInclusive<Self>> {
        let held = |range: RangeInclusive<f64>| {
            let (start, end) = (*range.start() as Self, *range.end() as Self);
            // Rounded outwards they would hold more.
            let start = if f64::from(start) < *range.start() { start.next_up() } else { start };
            let end = if f64::from(end) > *range.end() { end.next_down() } else { end };
            (start <= end).then_some(start..=end)
        };
        f64::ranges(ranges).into_iter().filter_map(held).collect()
    }
}

fn shrunk<T>(mut values: Vec<T>) -> Vec<T> {
    values.shrink_to_fit();
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_take_the_narrowest_type() {
        let bytes = |values: &[i64]| Numbers::signed(values.to_vec()).memory_bytes() / values.len();
        assert_eq!(bytes(&[0, 255]), 1);
        assert_eq!(bytes(&[0, 256]), 2);
        assert_eq!(bytes(&[-128, 127]), 1);
        assert_eq!(bytes(&[-1, 128]), 2);
        assert_eq!(bytes(&[-1, 40_000]), 4);
        assert_eq!(bytes(&[0, 1 << 32]), 8);
        assert_eq!(bytes(&[i64::MIN, 0]), 8);
        assert_eq!(Numbers::unsigned(vec![u64::MAX, 1]).get(0), Number::Integer(u64::MAX.into()));
    }

    fn ranges_of<T: Ord + Copy>(bounds: Vec<(T, T)>) -> Vec<RangeInclusive<T>> {
        let mut bounds: Vec<(T, T)> = bounds.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        bounds.sort_unstable();
        let mut disjoint: Vec<(T, T)> = Vec::new();
        for bound in bounds {
            if disjoint.last().is_none_or(|last| last.1 < bound.0) {
                disjoint.push(bound);
            }
        }
        disjoint.into_iter().map(|(start, end)| start..=end).collect()
    }

    proptest! {
        #[test]
        fn rows_whose_number_is_in_a_range_stay(
            values in prop_oneof![
                prop::collection::vec(prop_oneof![-5_i64..5, -300_i64..300, any::<i64>()], 0..300),
                prop::collection::vec(0_i64..256, 0..300),
                prop::collection::vec(0_i64..40_000, 0..300),
            ],
            bounds in prop::collection::vec(prop_oneof![-6_i128..6, 0_i128..40_000, any::<i64>().prop_map(i128::from), any::<i128>()].prop_flat_map(|low| (Just(low), prop_oneof![Just(low), any::<i128>()])), 0..9),
            before in any::<u64>(),
        ) {
            let ranges = ranges_of(bounds);
            let numbers = Numbers::signed(values.clone());
            let mut random = fastrand::Rng::with_seed(before);
            let before: Vec<bool> = values.iter().map(|_| random.bool()).collect();
            let mut rows = Bits::of(before.iter().copied());
            numbers.retain(&Ranges::Integers(ranges.clone()), &mut rows);
            for (row, &value) in values.iter().enumerate() {
                let expected = before[row] && ranges.iter().any(|range| range.contains(&i128::from(value)));
                prop_assert_eq!(rows.has(row), expected, "{}", value);
            }
        }

        #[test]
        fn floats_of_32_bits_are_compared_as_floats_of_64(
            values in prop::collection::vec(prop_oneof![any::<f32>(), Just(f32::NAN), Just(-0.0), -2.0_f32..2.0], 1..100),
            low in prop_oneof![any::<f64>(), -2.0_f64..2.0], high in prop_oneof![any::<f64>(), -2.0_f64..2.0],
        ) {
            prop_assume!(low <= high);
            let mut rows = Bits::of(values.iter().map(|_| true));
            Numbers::floats32(values.clone()).retain(&Ranges::Floats(vec![low..=high]), &mut rows);
            for (row, &value) in values.iter().enumerate() {
                prop_assert_eq!(rows.has(row), (low..=high).contains(&f64::from(value)), "{}", value);
            }
        }
    }
}
