//! What the format fixes: its metadata, its columns, and what is left when it has been read.

use crate::catalog::Rows;

/// Schema metadata: model of the embeddings.
pub const MODEL_ID: &str = "nearline.model_id";
/// Schema metadata: version of the format.
pub const FORMAT_VERSION: &str = "nearline.format_version";
/// Schema metadata: a JSON array with the names of the columns that are kept for `filter` and `return`.
pub const ATTRIBUTES: &str = "nearline.attributes";
/// The format that this release reads and writes.
pub const SUPPORTED_FORMAT: &str = "1";

/// Column: SHA-256 of the text that a row's vector was made of, null if it came with the row. Only builds read it.
pub const TEXT_SHA256: &str = "text_sha256";

/// The columns that are read.
pub(super) const COLUMNS: [&str; 4] = ["product_id", "category", "title", "embedding"];

/// An artifact's content.
#[derive(Debug)]
pub struct Artifact {
    /// Embedding model, if the file names one.
    pub model_id: Option<String>,
    /// The rows, in file order.
    pub rows: Rows,
}

/// The version of an artifact: the first 16 digits of its SHA-256.
pub fn version(sha256: &str) -> &str {
    &sha256[..16.min(sha256.len())]
}
