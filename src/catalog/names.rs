//! Strings of a whole column without an allocation each, and their numbers by name.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Strings one after the other, with their ends.
#[derive(Debug, Default)]
pub(super) struct Column {
    text: String,
    ends: Vec<usize>,
}

impl Column {
    /// Adds empty strings until there are so many.
    pub(super) fn extend_to(&mut self, count: usize) {
        if self.ends.len() < count {
            self.ends.resize(count, self.text.len());
        }
    }

    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(super) fn push(&mut self, string: &str) {
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
    /// Room for so many strings.
    pub(super) fn with_capacity(count: usize) -> Self {
        let column = Column { text: String::new(), ends: Vec::with_capacity(count) };
        Self { column, numbers: HashTable::with_capacity(count), hasher: RandomState::new() }
    }

    pub(super) fn shrink(&mut self) {
        self.column.shrink();
        let (column, hasher) = (&self.column, &self.hasher);
        self.numbers.shrink_to_fit(|&number| hasher.hash_one(column.get(number)));
    }

    /// The number of `string`, a new one unless it is there. More than `u32::MAX` rows are refused by the index.
    pub(super) fn insert(&mut self, string: &str) -> u32 {
        let (column, hasher) = (&self.column, &self.hasher);
        let same = |&number: &u32| column.get(number) == string;
        let rehash = |&number: &u32| hasher.hash_one(column.get(number));
        let number = column.ends.len() as u32;
        match self.numbers.entry(hasher.hash_one(string), same, rehash) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(entry) => entry.insert(number),
        };
        self.column.push(string);
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
            let mut names = Names::with_capacity(3);
            let numbers: Vec<u32> = strings.iter().map(|string| names.insert(string)).collect();
            names.shrink();
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
}
