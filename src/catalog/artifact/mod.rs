//! The artifact: one Arrow IPC file with `product_id`, `category`, optional `title`, and `embedding`.
//!
//! Reads what pyarrow and polars write (every string layout, dictionaries, several batches, compressed buffers) and
//! ignores other columns. Nothing is cast: a column of another type is an error that names it. What a file declares
//! is bounded before it is allocated, so that a damaged one is an error and not the end of the process.

mod format;
mod load;
mod named;
mod once;
mod read;
mod write;

pub use format::{ATTRIBUTES, Artifact, FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, TEXT_SHA256, version};
pub use load::{Loaded, sha256};
pub use named::name_model;
pub(in crate::catalog) use once::{Content, Known, Source, read_once};
pub(in crate::catalog) use read::{attribute_names, check_columns};
pub use read::{is_artifact, open, read, read_bytes};
pub(in crate::catalog) use write::column_of;
pub use write::{Row, Writer, write};
