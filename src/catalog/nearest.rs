//! Which name was meant by one that is not there, at a price that jobs with wrong names cannot raise.
//!
//! A product's name is looked up in some other spellings, whatever the size of the catalog. Categories are few: they
//! are compared one by one, and only where there are more than usual as products are.

use unicode_normalization::UnicodeNormalization as _;

use super::folded::folded;
use super::names::Names;

/// Longest name that is compared, in characters. Comparing takes the product of both lengths.
const NAME_MAX_CHARS: usize = 64;
/// Most names that are compared one by one.
const COMPARED_MAX: usize = 1_000;
/// Most pairs of characters that are compared for one wrong name: about 3 ms.
const PAIRS_MAX: usize = 500_000;

/// The name that differs only in case, blanks or Unicode form, or else by few letters.
pub(super) fn among<'a>(name: &str, names: &'a Names) -> Option<&'a str> {
    if name.chars().nth(NAME_MAX_CHARS).is_some() {
        return None;
    }
    if names.len() > COMPARED_MAX {
        return variant(name, |spelling| names.find(spelling)).map(|number| names.get(number));
    }
    let wanted = folded(name);
    let length = wanted.chars().count();
    // One letter of four may be wrong, and one of a shorter name.
    let most = (length / 4).max(1);
    let mut pairs = 0;
    let candidate = |number: u32| {
        let found = names.get(number);
        if found.len() > NAME_MAX_CHARS * 4 {
            return None;
        }
        let other = folded(found);
        let count = other.chars().count();
        if count.abs_diff(length) > most || count > NAME_MAX_CHARS {
            return None;
        }
        let distance = if other == wanted {
            0
        } else if pairs > PAIRS_MAX {
            return None;
        } else {
            pairs += length * count;
            strsim::osa_distance(&other, &wanted)
        };
        // A name of one letter is one letter away from any other.
        (distance <= most && distance < length.min(count).max(1)).then_some((distance, found))
    };
    let nearest = (0..names.len() as u32).filter_map(candidate).min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, found)| found)
}

/// What is found by the name in another spelling: of blanks, of case, of Unicode form, or of what spreadsheets make of a
/// number.
pub(super) fn variant<T>(name: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    if name.chars().nth(NAME_MAX_CHARS).is_some() {
        return None;
    }
    let trimmed = name.trim();
    let (upper, lower) = (trimmed.to_uppercase(), trimmed.to_lowercase());
    let mut initial = lower.chars();
    let capital: String = initial.next().into_iter().flat_map(char::to_uppercase).chain(initial).collect();
    let whole_number = trimmed.strip_suffix(".0").unwrap_or(trimmed);
    let spellings = [
        trimmed.to_owned(),
        trimmed.nfc().collect(),
        trimmed.nfd().collect(),
        trimmed.nfkc().collect(),
        lower.nfc().collect(),
        upper.nfc().collect(),
        capital.nfc().collect(),
        folded(name),
        folded(name).to_uppercase(),
        whole_number.to_owned(),
        whole_number.trim_start_matches('0').to_owned(),
    ];
    spellings.iter().find_map(|spelling| find(spelling))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn names<'a>(strings: impl IntoIterator<Item = &'a str>) -> Names {
        let mut names = Names::default();
        for string in strings {
            names.insert(string);
        }
        names
    }

    #[test]
    fn a_name_in_another_form_comes_before_one_with_other_letters() {
        let names = names(["audios", "AUDIO", "x", "y", "garden"]);
        assert_eq!(among(" audio", &names), Some("AUDIO"));
        assert_eq!(among("audois", &names), Some("audios"), "letters change places");
        assert_eq!(among("z", &names), None);
        assert_eq!(among("gardn", &names), Some("garden"));
        assert_eq!(among("kitchen", &names), None);
        assert_eq!(among("", &names), None);
        assert_eq!(among(&"a".repeat(10_000), &names), None);
    }

    #[test]
    fn other_spellings_of_an_id_are_found() {
        let names = names(["SKU-1", "sku-2", "Sku-3", "42", "a b"]);
        for (id, found) in [
            ("sku-1", Some("SKU-1")),
            ("SKU-2 ", Some("sku-2")),
            ("SKU-3", Some("Sku-3")),
            ("42.0", Some("42")),
            ("0042", Some("42")),
            ("a\u{a0} b", Some("a b")),
            ("sku-4", None),
        ] {
            let variant = variant(id, |spelling| names.find(spelling)).map(|number| names.get(number));
            assert_eq!(variant, found, "{id}");
        }
    }

    #[test]
    fn the_price_of_a_wrong_name_is_bounded() {
        let all: Vec<String> = (1..=COMPARED_MAX).map(|number| format!("{number:x>64}")).collect();
        let few = names(all.iter().map(String::as_str));
        let many: Vec<String> = (0..200_000).map(|number| format!("category {number}")).collect();
        let many = names(many.iter().map(String::as_str));
        let started = Instant::now();
        assert!(among(&"x".repeat(64), &few).is_some());
        let compared = started.elapsed();
        let started = Instant::now();
        for _ in 0..100 {
            assert_eq!(among("Category 7", &many), Some("category 7"));
        }
        let looked_up = started.elapsed() / 100;
        println!("{COMPARED_MAX} names of 64 letters: {compared:?}; one of 200,000: {looked_up:?}");
        assert!(compared.as_secs() < 2 && looked_up.as_millis() < 50, "{compared:?} {looked_up:?}");
    }
}
