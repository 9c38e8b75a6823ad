//! The catalog: what is searched, in memory once.
//!
//! [`artifact`] reads and writes the Arrow file, [`build`] makes one from a source, [`store`] publishes and loads it,
//! [`refresh`] watches for a newer one, [`Attributes`] are what filters look at, `indexed` is the one that is searched. [`Artifacts`] is the boundary to where
//! artifacts are kept.

pub mod artifact;
mod artifacts;
mod attributes;
pub mod build;
mod canary;
mod candidate;
mod change;
mod changes;
mod download;
mod error;
mod folded;
mod guard;
mod indexed;
pub mod indexes;
mod indexing;
mod ipc;
mod layered;
mod load;
mod location;
mod memory;
mod names;
mod nearest;
mod pointer;
mod prune;
mod publish;
mod publishing;
pub mod refresh;
mod refusal;
mod room;
mod rows;
pub mod size;
pub mod source;
pub mod store;
mod table;
#[cfg(test)]
mod tests;
mod upload;
mod vectors;
mod versions;

use nearline_contract::kind;

pub use artifacts::{Artifacts, Piece};
#[cfg(test)]
pub(crate) use attributes::tests::attributes;
pub use attributes::{AttributeKind, AttributeSummary, Attributes};
pub use canary::Serves;
pub use candidate::{Candidate, Share};
pub use change::{ChangeError, Seen};
#[cfg(test)]
pub(crate) use changes::tests::histories::updated_and_compacted;
pub use changes::{Compacted, Compared, Difference, Fetched, UpdateBase};
pub use error::CatalogError;
pub use folded::folded;
pub use indexed::Catalog;
pub use indexing::Indexing;
pub use layered::{CatalogAttributes, RowFilter};
pub use location::{CatalogGuard, CatalogLocation, ObjectName, S3Prefix};
pub use memory::MemoryArtifacts;
pub use pointer::{IndexRef, Pointer, UpdateRef, version};
pub use prune::Pruning;
pub use publish::{Checked, Publication};
pub use publishing::{Condition, Listed, Part, Publishing, Tagged, Upload};
pub use rows::Rows;
pub use store::{CatalogStore, pointer_name};
pub use upload::{Content, Told, Uploaded};
pub use vectors::Vectors;
pub use versions::{Holding, Version};
