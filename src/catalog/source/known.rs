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
pub(super) const EMBEDDING: Known = Known {
    name: "embedding",
    others: &["embeddings", "vector", "vectors", "emb", "vec", "features", "dense_vector", "embedding_vector"],
};
pub(super) const KNOWN: [&Known; 5] = [&PRODUCT_ID, &CATEGORY, &TEXT, &TITLE, &EMBEDDING];

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
    if name.is_empty() || name.len() > COMPARED_MAX_BYTES {
        return None;
    }
    let plain = |name: &str| name.replace(['_', '-', ' ', '.'], "");
    let distance = |known: &Known| osa_distance(&plain(name), &plain(known.name));
    let misspelt = KNOWN.into_iter().find(|known| distance(known) <= if known.name.len() > 5 { 2 } else { 1 });
    let misspelt = misspelt.or_else(|| KNOWN.into_iter().find(|known| known.name.len() == 5 && distance(known) == 2));
    match misspelt {
        Some(known) => Some((known, true)),
        None => KNOWN.into_iter().find(|known| known.others.contains(&name)).map(|known| (known, false)),
    }
}
