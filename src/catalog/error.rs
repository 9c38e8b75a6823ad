//! Why there is no catalog.

use std::path::PathBuf;

use super::location::{ObjectName, S3Prefix};
use crate::embed::ModelError;
use crate::fault::Fault;

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The content breaks the artifact's contract; the message names row and column.
    #[error("the catalog is not valid: {0}")]
    Invalid(String),
    /// An update cannot be applied to the catalog that it is listed with.
    #[error("the update {name} is not valid: {what}")]
    Update {
        /// The object.
        name: String,
        /// Why, naming row and column.
        what: String,
    },
    /// A source of products, or a file of it, cannot be read.
    #[error("{name}: {what}")]
    Source {
        /// The file.
        name: String,
        /// Where and why.
        what: String,
    },
    /// This machine has no memory or threads for it now.
    #[error("the catalog could not be loaded here: {0}")]
    NoRoom(String),
    /// An object is not what its pointer or name promises.
    #[error("{what} failed its integrity check: {why}")]
    Corrupt {
        /// The object.
        what: String,
        /// The difference.
        why: String,
    },
    /// The pointer names an object that is not there, or not yet.
    #[error("{0} does not exist: publish the catalog again, or roll back")]
    Missing(ObjectName),
    /// Nothing is published under the prefix.
    #[error("no catalog is published at {0}: run `nearline catalog publish FILE.arrow --to {0}`")]
    NotPublished(S3Prefix),
    /// The model or dimension that was set explicitly is not the catalog's.
    #[error("{setting} is `{wanted}`, but the catalog has `{found}`: unset it, or publish a catalog that matches")]
    Guard {
        /// Environment variable.
        setting: &'static str,
        /// Its value.
        wanted: String,
        /// The catalog's.
        found: String,
    },
    /// The model that it names cannot be called.
    #[error("the catalog's {0} (a catalog without nearline.model_id serves vector and product_id jobs)")]
    Model(#[from] ModelError),
    /// A service failed.
    #[error(transparent)]
    Service(#[from] Fault),
}

impl CatalogError {
    pub(super) fn repeated(product_id: &str, row: usize, first: u32) -> Self {
        Self::Invalid(format!("row {row}, column product_id: `{product_id}` is already used in row {first}"))
    }

    /// Whether the same catalog may load at another time: a service failed, or an object does not show yet.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Service(_) | Self::Missing(_) | Self::File { .. } | Self::NoRoom(_) => true,
            Self::Invalid(_)
            | Self::Update { .. }
            | Self::Source { .. }
            | Self::Corrupt { .. }
            | Self::NotPublished(_)
            | Self::Guard { .. }
            | Self::Model(_) => false,
        }
    }
}
