//! The columns that are read, what others call them, and which names are nearly theirs.

use strsim::osa_distance;

/// A known column, its name, and what others call it.
pub(super) struct Known {
    pub(super) name: &'static str,
    others: &'static [&'static str],
}

pub(super) const PRODUCT_ID: Known = Known {
    name: "product_id",
    others: &["id", "sku", "pid", "productid", "product", "item_id", "itemid", "asin", "ean", "gtin", "_id", "key"],
};
pub(super) const CATEGORY: Known = Known {
    name: "category",
    others: &[
        "categories",
        "cat",
        "category_id",
        "category_name",
        "product_category",
        "class",
        "label",
        "group",
        "topic",
    ],
};
pub(super) const TEXT: Known = Known {
    name: "text",
    others: &["description", "content", "document", "body", "product_description", "sentence", "passage", "chunk"],
};
pub(super) const TITLE: Known = Known { name: "title", others: &["name", "product_name", "product_title", "heading"] };
pub(super) const EMBEDDING: Known = Known { name: "embedding", others: &["features"] };
/// Only updates have it.
pub(super) const DELETED: Known = Known { name: "deleted", others: &[] };
pub(super) const KNOWN: [&Known; 5] = [&PRODUCT_ID, &CATEGORY, &TEXT, &TITLE, &EMBEDDING];

/// Words that vectors are called by, alone or at the end of a name.
const VECTOR_WORDS: [&str; 8] = ["embedding", "embeddings", "vector", "vectors", "emb", "embs", "vec", "vecs"];
/// Of these, words that a name may also begin with, as in `embedding_openai`.
const FIRST_WORDS: [&str; 3] = ["embedding", "embeddings", "emb"];
/// Words after them that are about vectors but do not name one, as in `embedding_model`.
const ABOUT_VECTORS: [&str; 26] = [
    "at",
    "count",
    "created",
    "date",
    "dim",
    "dimension",
    "dimensions",
    "dims",
    "format",
    "hash",
    "id",
    "input",
    "key",
    "length",
    "model",
    "name",
    "path",
    "provider",
    "size",
    "source",
    "status",
    "text",
    "time",
    "type",
    "updated",
    "version",
];
/// Words that are a letter or two away from a known column and mean something else.
const OTHER_WORDS: [&str; 10] = ["next", "rest", "test", "tests", "tested", "tile", "tiles", "tilt", "time", "taxi"];

/// Names beyond this length are nothing but themselves: comparing takes the square of it.
const COMPARED_MAX_BYTES: usize = 32;

/// How many of the columns are known: what tells separators apart.
pub(super) fn known_among<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.filter(|name| KNOWN.iter().any(|known| known.name == fold(name))).count()
}

pub(super) fn fold(name: &str) -> String {
    name.trim_start_matches('\u{feff}').trim().to_lowercase()
}

/// The known column that a name is nearly, and whether it is a misspelling of it.
pub(super) fn nearest(name: &str) -> Option<(&'static Known, bool)> {
    let (folded, words) = (fold(name), words(name));
    if let [first, .., last] = &words[..]
        && VECTOR_WORDS.contains(&first.as_str())
        && ABOUT_VECTORS.contains(&last.as_str())
    {
        return None;
    }
    if !folded.is_empty() && folded.len() <= COMPARED_MAX_BYTES && !OTHER_WORDS.contains(&folded.as_str()) {
        let plain = |name: &str| name.replace(['_', '-', ' ', '.'], "");
        let distance = |known: &Known| osa_distance(&plain(&folded), &plain(known.name));
        let misspelt = KNOWN.into_iter().find(|known| distance(known) <= if known.name.len() > 5 { 2 } else { 1 });
        let misspelt =
            misspelt.or_else(|| KNOWN.into_iter().find(|known| known.name.len() == 5 && distance(known) == 2));
        let other =
            || KNOWN.into_iter().find(|known| known.others.contains(&folded.as_str())).map(|known| (known, false));
        if let Some(found) = misspelt.map(|known| (known, true)).or_else(other) {
            return Some(found);
        }
    }
    names_vectors(&words).then_some((&EMBEDDING, false))
}

/// Whether the words of a name say that it holds vectors, or one number of each: `text_embedding`, `titleVector`, `emb_0`.
fn names_vectors(words: &[String]) -> bool {
    let is_number = |word: &str| word.trim_start_matches('v').bytes().all(|byte| byte.is_ascii_digit());
    let mut named = words.iter().map(String::as_str).filter(|word| !is_number(word));
    let first = named.next();
    let Some(last) = named.next_back().or(first) else { return false };
    VECTOR_WORDS.contains(&last)
        || last.ends_with("embedding")
        || last.ends_with("embeddings")
        || first.is_some_and(|first| FIRST_WORDS.contains(&first))
            && !words.iter().any(|word| ABOUT_VECTORS.contains(&word.as_str()))
}

/// The words of a name in lower case, of letters or of digits, however they are put together.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let is_new = before.is_lowercase() && character.is_uppercase()
            || before.is_numeric() != character.is_numeric() && before != 'v' && before != 'V'
            || !character.is_alphanumeric();
        if is_new {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str) -> Option<&'static str> {
        nearest(name).map(|(known, _)| known.name)
    }

    #[test]
    fn names_of_vectors_are_known_by_their_words() {
        for name in [
            "vector",
            "Embeddings",
            "emb",
            "text_embedding",
            "openai_embedding",
            "Embedding Vector",
            "emb_0",
            "vector_0",
            "titleVector",
            "dense.vector",
            "embedding0",
            "textembedding",
            "embedding_openai",
            "embedding_v2",
            "image-vec",
            "a_very_long_name_of_a_column_with_an_embedding",
            "embedding-3-small",
        ] {
            assert_eq!(meant(name), Some("embedding"), "{name}");
        }
        for name in [
            "embedding_model",
            "embedding_dimension",
            "embeddingId",
            "vector_id",
            "vectorised",
            "vector_art",
            "invoice",
            "member",
            "september",
            "v2",
            "test",
            "next",
            "tile",
            "price",
            "",
        ] {
            assert_eq!(meant(name), None, "{name}");
        }
        assert_eq!((meant("Titel"), meant("txt"), meant("SKU")), (Some("title"), Some("text"), Some("product_id")));
    }
}
