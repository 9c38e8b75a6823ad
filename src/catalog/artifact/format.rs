//! What the format fixes: its metadata, its columns, and what is left when it has been read.

use arrow_schema::ArrowError;

use crate::catalog::{CatalogError, Rows};

/// Schema metadata: model of the embeddings.
pub const MODEL_ID: &str = "nearline.model_id";
/// Schema metadata: version of the format.
pub const FORMAT_VERSION: &str = "nearline.format_version";
/// The format that this release reads and writes.
pub const SUPPORTED_FORMAT: &str = "1";

/// The columns that are read.
pub(super) const COLUMNS: [&str; 4] = ["product_id", "category", "title", "embedding"];

/// Longest message of the Arrow reader that is passed on, in characters: some print whole schemas.
const MESSAGE_MAX_CHARS: usize = 400;

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

pub(super) fn invalid(message: impl Into<String>) -> CatalogError {
    CatalogError::Invalid(message.into())
}

#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
pub(super) fn unreadable(error: ArrowError) -> CatalogError {
    let message = error.to_string().chars().take(MESSAGE_MAX_CHARS).collect::<String>();
    invalid(format!("not readable as an Arrow IPC file: {message}"))
}
