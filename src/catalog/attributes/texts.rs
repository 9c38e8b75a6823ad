//! Strings of a whole column: by dictionary where that takes less memory, one after the other where most differ.

use std::collections::BTreeSet;

use hashbrown::HashSet;

use super::bits::{Bits, retain_lists, retain_rows};
use super::numbers::{Numbers, Ranges};
use crate::catalog::names::Names;

/// Strings, one for each row or item.
#[derive(Debug)]
pub(super) enum Texts {
    /// Numbers of strings in an ascending list.
    Coded {
        codes: Numbers,
        dictionary: Strings,
    },
    Plain(Strings),
}

/// Strings one after the other, with their ends.
#[derive(Debug)]
pub(super) struct Strings {
    text: String,
    ends: Numbers,
}

impl Strings {
    fn new<'a>(strings: impl Iterator<Item = &'a str>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for string in strings {
            text.push_str(string);
            ends.push(text.len() as u64);
        }
        text.shrink_to_fit();
        Self { text, ends: Numbers::unsigned(ends) }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends.index(at - 1) };
        &self.text[start..self.ends.index(at)]
    }

    fn memory_bytes(&self) -> usize {
        self.text.capacity() + self.ends.memory_bytes()
    }

    /// The number of a string, if they are ascending.
    fn find(&self, wanted: &str) -> Option<usize> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.get(middle).cmp(wanted) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        None
    }
}

/// What strings are looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// Their numbers in the dictionary.
    Codes(Ranges),
    Strings(HashSet<String>),
}

impl Texts {
    /// Strings by their numbers among distinct names.
    pub(super) fn new(names: &Names, numbers: Vec<u32>) -> Self {
        let length = |number: u32| names.get(number).len();
        let distinct = names.len() as u32;
        let width = match distinct {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 4,
        };
        let end = size_of::<u32>();
        let coded = numbers.len() * width + (0..distinct).map(|number| length(number) + end).sum::<usize>();
        let plain = numbers.iter().map(|&number| length(number) + end).sum::<usize>();
        if plain < coded {
            return Self::Plain(Strings::new(numbers.iter().map(|&number| names.get(number))));
        }
        let mut ascending: Vec<u32> = (0..distinct).collect();
        ascending.sort_unstable_by_key(|&number| names.get(number));
        let mut places = vec![0_u64; names.len()];
        (0..).zip(&ascending).for_each(|(place, &number)| places[number as usize] = place);
        let codes = Numbers::unsigned(numbers.into_iter().map(|number| places[number as usize]).collect());
        Self::Coded { codes, dictionary: Strings::new(ascending.iter().map(|&number| names.get(number))) }
    }

    pub(super) fn get(&self, at: usize) -> &str {
        match self {
            Self::Coded { codes, dictionary } => dictionary.get(codes.index(at)),
            Self::Plain(strings) => strings.get(at),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Coded { codes, dictionary } => codes.memory_bytes() + dictionary.memory_bytes(),
            Self::Plain(strings) => strings.memory_bytes(),
        }
    }

    /// Looks some strings up once for all rows.
    pub(super) fn wanted<'a>(&self, strings: impl Iterator<Item = &'a str>) -> Wanted {
        match self {
            Self::Coded { dictionary, .. } => {
                let codes: BTreeSet<i128> =
                    strings.filter_map(|wanted| dictionary.find(wanted)).map(|code| code as i128).collect();
                Wanted::Codes(Ranges::Integers(codes.into_iter().map(|code| code..=code).collect()))
            }
            Self::Plain(_) => Wanted::Strings(strings.map(str::to_owned).collect()),
        }
    }

    /// Removes the rows whose string is not one of the wanted ones.
    pub(super) fn retain(&self, wanted: &Wanted, rows: &mut Bits) {
        match (self, wanted) {
            (Self::Coded { codes, .. }, Wanted::Codes(wanted)) => codes.retain(wanted, rows),
            (texts, wanted) => retain_rows(rows, |row| texts.is_wanted(row, wanted)),
        }
    }

    /// Takes the rows away none of whose strings is wanted. `ends` says for each row where its own end.
    pub(super) fn retain_lists(&self, ends: &[u32], wanted: &Wanted, rows: &mut Bits) {
        match (self, wanted) {
            (Self::Coded { codes, .. }, Wanted::Codes(wanted)) => codes.retain_lists(ends, wanted, rows),
            (texts, wanted) => {
                retain_lists(ends, rows, |mut items| items.any(|item| texts.is_wanted(item, wanted)));
            }
        }
    }

    fn is_wanted(&self, at: usize, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Strings(wanted) => wanted.contains(self.get(at)),
            Wanted::Codes(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(strings: &[&str]) -> Texts {
        let mut names = Names::default();
        let numbers = strings.iter().map(|string| names.insert(string)).collect();
        Texts::new(&names, numbers)
    }

    #[test]
    fn strings_that_repeat_are_coded_and_others_are_not() {
        assert!(matches!(texts(&["red", "blue", "red", "red", "blue", "red"]), Texts::Coded { .. }));
        assert!(matches!(texts(&["a1", "a2", "a3", "a4"]), Texts::Plain(_)));
    }

    proptest! {
        #[test]
        fn rows_with_a_wanted_string_stay(
            strings in prop::collection::vec("[ab]{0,3}|[a-z]{6}", 0..200),
            wanted in prop::collection::vec("[ab]{0,3}", 0..8),
        ) {
            let of: Vec<&str> = strings.iter().map(String::as_str).collect();
            let texts = texts(&of);
            prop_assert_eq!((0..strings.len()).map(|at| texts.get(at)).collect::<Vec<_>>(), of);
            let mut rows = Bits::all(strings.len());
            texts.retain(&texts.wanted(wanted.iter().map(String::as_str)), &mut rows);
            for (row, string) in strings.iter().enumerate() {
                prop_assert_eq!(rows.has(row), wanted.contains(string));
            }
        }
    }
}
