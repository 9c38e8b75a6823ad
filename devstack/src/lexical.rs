//! A text's embedding without a model: its words and their character trigrams, hashed into signed buckets.
//!
//! Texts that share words are close, and a typo or a plural keeps most trigrams, so "headphone" finds "Headphones".
//! It knows no synonyms: meaning needs a real model. Vectors are the same bits on every machine and in every release,
//! because the hash is fixed here (the standard library's may change) and the sums run in a fixed order.

use std::borrow::Cow;

/// What one word adds to its bucket. Heavier than its trigrams together would be for a short word, so that an equal
/// word beats one that only looks alike.
const WORD_WEIGHT: f32 = 1.0;
/// What all trigrams of one word add together, as a length (each gets this divided by the root of their number).
const TRIGRAMS_WEIGHT: f32 = 0.7;
/// Stop words carry next to nothing, but not nothing: a text made of them alone still has a direction.
const STOP_WORD_FACTOR: f32 = 0.1;
/// Stands for a text without any word.
const NO_WORD: &str = "\u{0}";

const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "for", "from", "has", "have", "in", "is", "it", "its",
    "of", "on", "or", "our", "so", "that", "the", "their", "this", "to", "was", "will", "with", "you", "your", "we",
];

/// The embedding of `text`: `dimension` numbers of length 1, the same for the same text always.
///
/// A text without word characters gets a fixed direction of its own. `dimension` 0 gives an empty vector.
pub fn embed(text: &str, dimension: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimension];
    if dimension == 0 {
        return vector;
    }
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        add_word(&mut vector, &fold_plural(word));
    }
    // Blank, or hashes that cancelled each other: still never a zero vector, which has no direction.
    if vector.iter().all(|&x| x == 0.0) {
        add(&mut vector, Kind::Word, NO_WORD, WORD_WEIGHT);
    }
    normalise(&mut vector);
    vector
}

fn add_word(vector: &mut [f32], word: &str) {
    let factor = if STOP_WORDS.contains(&word) { STOP_WORD_FACTOR } else { 1.0 };
    add(vector, Kind::Word, word, WORD_WEIGHT * factor);
    // Marking both ends makes the beginning of a word count more, as it does for readers.
    let padded: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
    let trigrams = padded.windows(3);
    let weight = TRIGRAMS_WEIGHT * factor / (trigrams.len().max(1) as f32).sqrt();
    for trigram in trigrams {
        add(vector, Kind::Trigram, &String::from_iter(trigram), weight);
    }
}

/// "headphones" becomes "headphone", "batteries" "battery", "boxes" "box"; "glass" and "bus" stay.
fn fold_plural(word: &str) -> Cow<'_, str> {
    if word.len() <= 3 || ["ss", "us", "is"].iter().any(|ending| word.ends_with(ending)) {
        return word.into();
    }
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() >= 3) {
        return format!("{stem}y").into();
    }
    if let Some(stem) = word.strip_suffix("es")
        && ["x", "ch", "sh", "ss"].iter().any(|ending| stem.ends_with(ending))
    {
        return stem.into();
    }
    word.strip_suffix('s').unwrap_or(word).into()
}

#[derive(Clone, Copy)]
enum Kind {
    Word = 1,
    Trigram = 2,
}

fn add(vector: &mut [f32], kind: Kind, feature: &str, weight: f32) {
    let hash = fnv1a(kind as u8, feature);
    // The sign comes from a bit that the bucket hardly depends on: collisions then cancel as often as they add.
    let signed = if hash >> 63 == 0 { weight } else { -weight };
    let bucket = (hash & 0x7fff_ffff) as usize % vector.len();
    vector[bucket] += signed;
}

/// FNV-1a with 64 bits, then a mixer: the plain hash of short texts is weak in its upper bits.
fn fnv1a(seed: u8, text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(seed).chain(text.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    for x in vector {
        *x = (f64::from(*x) / norm) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cosine(a: &str, b: &str) -> f32 {
        embed(a, 384).iter().zip(embed(b, 384)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn a_query_is_closest_to_the_text_that_shares_its_words() {
        let query = "wireless headphone";
        assert!(cosine(query, "Wireless over-ear headphones") > 0.5);
        assert!(cosine(query, "Ceramic frying pan").abs() < 0.2);
    }

    #[test]
    fn plurals_are_the_same_word() {
        for (one, many) in
            [("headphone", "Headphones"), ("battery", "batteries"), ("box", "boxes"), ("watch", "watches")]
        {
            assert!(cosine(one, many) > 0.999, "{one} {many}");
        }
        assert_eq!(fold_plural("glass"), "glass");
        assert_eq!(fold_plural("bus"), "bus");
    }

    #[test]
    fn a_typo_keeps_a_word_close() {
        for typo in ["headphnoe", "hedphone", "headpone", "headfone"] {
            assert!(cosine(typo, "headphone") > cosine(typo, "ceramic pan") + 0.08, "{typo}");
        }
    }

    #[test]
    fn stop_words_hardly_count() {
        assert!(cosine("a lamp for the desk", "lamp desk") > 0.95);
        assert!(cosine("a lamp for the desk", "a pan for the kitchen") < 0.3);
    }

    #[test]
    fn the_bits_never_change() {
        // A change here changes every catalog that was built with the stand-in.
        let bits: u64 = embed("Wireless over-ear headphones, 30 h", 256)
            .iter()
            .fold(0, |sum, x| sum.rotate_left(5) ^ u64::from(x.to_bits()));
        assert_eq!(bits, 15_178_102_267_696_800_159);
    }

    #[test]
    fn a_text_without_words_has_a_direction() {
        assert_eq!(embed("", 256), embed("  \n?!", 256));
        assert!((embed("", 256).iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn every_text_gives_a_unit_vector_and_always_the_same(text in ".{0,60}", dimension in 1_usize..600) {
            let vector = embed(&text, dimension);
            prop_assert_eq!(vector.len(), dimension);
            let norm: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            prop_assert!((norm - 1.0).abs() < 1e-5);
            prop_assert_eq!(vector, embed(&text, dimension));
        }
    }
}
