//! Strings of a whole column without an allocation each, and their numbers by name.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Strings one after the other, with their ends.
#[derive(Debug, Default)]
pub(super) struct Column {
    text: String,
    ends: Vec<usize>,
}

impl Column {
    pub(super) fn collect<'a>(strings: impl Iterator<Item = &'a str>) -> Self {
        let mut column = Self::default();
        strings.for_each(|string| column.push(string));
        column
    }

    fn push(&mut self, string: &str) {
        self.text.push_str(string);
        self.ends.push(self.text.len());
    }

    /// The string of a number below the column's length.
    pub(super) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.text[start..self.ends[number]]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Distinct strings, numbered in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Names {
    column: Column,
    numbers: HashTable<u32>,
    hasher: RandomState,
}

impl Names {
    /// Strings that must be distinct. The error holds the numbers of the first repetition and of what it repeats.
    pub(super) fn unique<'a>(strings: impl Iterator<Item = &'a str>) -> Result<Self, (usize, u32)> {
        let mut names = Self::default();
        for (number, string) in strings.enumerate() {
            let found = names.insert(string);
            if found as usize != number {
                return Err((number, found));
            }
        }
        Ok(names)
    }

    /// The distinct strings, and the number of each string given.
    pub(super) fn numbered<'a>(strings: impl Iterator<Item = &'a str>) -> (Self, Vec<u32>) {
        let mut names = Self::default();
        let numbers = strings.map(|string| names.insert(string)).collect();
        (names, numbers)
    }

    /// The number of `string`, a new one unless it is there. More than `u32::MAX` rows are refused by the index.
    pub(super) fn insert(&mut self, string: &str) -> u32 {
        if let Some(number) = self.find(string) {
            return number;
        }
        let number = self.len() as u32;
        self.column.push(string);
        let (column, hasher) = (&self.column, &self.hasher);
        let rehash = |&number: &u32| hasher.hash_one(column.get(number));
        self.numbers.insert_unique(hasher.hash_one(string), number, rehash);
        number
    }

    pub(super) fn find(&self, string: &str) -> Option<u32> {
        let same = |&number: &u32| self.column.get(number) == string;
        self.numbers.find(self.hasher.hash_one(string), same).copied()
    }

    pub(super) fn get(&self, number: u32) -> &str {
        self.column.get(number)
    }

    pub(super) fn len(&self) -> usize {
        self.column.ends.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.column.memory_bytes() + self.numbers.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_numbered_by_first_appearance(strings in proptest::collection::vec("[ab]{0,4}", 0..60)) {
            let (names, numbers) = Names::numbered(strings.iter().map(String::as_str));
            let mut oracle: HashMap<&str, u32> = HashMap::new();
            for (string, &number) in strings.iter().zip(&numbers) {
                let next = oracle.len() as u32;
                prop_assert_eq!(*oracle.entry(string).or_insert(next), number);
                prop_assert_eq!(names.get(number), string);
                prop_assert_eq!(names.find(string), Some(number));
            }
            prop_assert_eq!(names.len(), oracle.len());
            prop_assert_eq!(names.find("c"), None);
        }
    }

    #[test]
    fn a_repetition_is_found_with_what_it_repeats() {
        assert_eq!(Names::unique(["x", "y", "x"].into_iter()).unwrap_err(), (2, 0));
    }
}
