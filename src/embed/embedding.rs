//! What an embedding is, and what it is for.

/// What a text is embedded for: models place documents and queries differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A product of the catalog.
    Document,
    /// A search for products.
    Query,
}

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// As many finite numbers as the embedder's dimension, not all zero.
    pub vector: Vec<f32>,
    /// Whether the text was longer than the model takes, and its end cut off.
    pub truncated: bool,
}

/// At most `chars_max` characters of a text, and whether that cut it.
pub(super) fn cut(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), ("äö", true));
        assert_eq!(cut("äöü", 3), ("äöü", false));
    }
}
