//! Arrow IPC, file or stream, from memory or disk: record batches, bounded before they are allocated.
//!
//! The reader of arrow-ipc trusts what a file declares. Here each offset and length is checked first, so that a
//! damaged file is an error and not the end of the process; columns that are not asked for are passed over, whatever
//! their type; and of a file on disk only one batch is in memory at a time.

mod blob;
mod bounds;
mod budget;
mod container;
mod once;
mod reader;
mod strings;

pub(super) use blob::Blob;
pub(super) use budget::Budget;
pub(super) use once::{Once, missing};
pub(super) use reader::Reader;
pub(super) use strings::{is_string, strings};

use arrow_schema::ArrowError;
use nearline_contract::clip;

use super::CatalogError;

/// Longest message of an Arrow reader that is passed on, in characters: some print whole schemas.
const MESSAGE_MAX_CHARS: usize = 400;

pub(super) fn invalid(message: impl Into<String>) -> CatalogError {
    CatalogError::Invalid(message.into())
}

#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
pub(super) fn unreadable(error: ArrowError) -> CatalogError {
    let message = error.to_string().chars().take(MESSAGE_MAX_CHARS).collect::<String>();
    invalid(format!("not readable as Arrow IPC: {message}"))
}

/// A type in few words: that of a struct with a thousand fields takes pages.
pub(super) fn type_name(kind: &arrow_schema::DataType) -> String {
    clip(&kind.to_string())
}
