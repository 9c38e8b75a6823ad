//! When two names are the same to people: what is left of a name without case, blanks and Unicode form.
//!
//! Only for telling people of names that look alike. A catalog's own names are compared byte by byte.

use unicode_normalization::UnicodeNormalization as _;

/// A name in compatibility form (NFKC) and lower case, without surrounding blanks and invisible characters, each run
/// of inner blanks as one space.
pub fn folded(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut blank = false;
    // Lower case may undo the normal form (of `İ`), so that comes last.
    for character in name.nfkc().flat_map(char::to_lowercase).nfkc().filter(|&character| !is_invisible(character)) {
        if character.is_whitespace() {
            blank = true;
            continue;
        }
        if blank && !folded.is_empty() {
            folded.push(' ');
        }
        blank = false;
        folded.push(character);
    }
    folded
}

/// Soft hyphen, zero-width characters, marks of direction, byte order mark.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_fold_to_the_same() {
        for (name, other) in [
            ("audio", " Audio\t"),
            ("home & garden", "Home  &\u{a0}Garden\r\n"),
            ("caf\u{e9}", "CAFE\u{301}"),
            ("\u{ff21}udio", "audio"),
            ("au\u{200b}dio", "\u{feff}audio"),
            ("\u{130}", "i\u{307}"),
        ] {
            assert_eq!(folded(name), folded(other), "{name:?} {other:?}");
        }
        assert_ne!(folded("audio"), folded("audios"));
        assert_eq!(folded(" \u{a0} "), "");
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(name in any::<String>()) {
            let once = folded(&name);
            prop_assert_eq!(folded(&once), once);
        }
    }
}
