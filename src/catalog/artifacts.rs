//! The boundary to where artifacts are kept.

use std::ops::Range;

use bytes::Bytes;

use super::location::ObjectName;
use crate::fault::Fault;

/// Some bytes of an object.
#[derive(Debug, Clone, Default)]
pub struct Piece {
    /// The bytes, one after the other.
    pub bytes: Vec<Bytes>,
    /// Length of the whole object.
    pub length: u64,
    /// Which content they are of: another tag is other content.
    pub tag: String,
}

/// Keeps objects by name, whole.
///
/// - A write replaces the whole object or nothing, and may have happened although its answer was lost.
/// - A read sees one whole object; it may not see the newest write yet.
/// - Kinds of faults: `Permanent` if the caller may not do this or the bucket does not exist; `Retry` for all else. An
///   object that does not exist is not a fault.
pub trait Artifacts: Send + Sync + 'static {
    /// Reads an object; `None` if it does not exist.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn get(&self, name: &ObjectName) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send;

    /// Reads the bytes of an object that lie in `range`, as far as there are any. `None` if it does not exist, or if its
    /// content is not of the tag any more.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn get_range(
        &self,
        name: &ObjectName,
        range: Range<u64>,
        tag: Option<&str>,
    ) -> impl Future<Output = Result<Option<Piece>, Fault>> + Send;

    /// Bytes of an object; `None` if it does not exist.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn length(&self, name: &ObjectName) -> impl Future<Output = Result<Option<u64>, Fault>> + Send;

    /// Writes an object. It may take long: the body can be gigabytes.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn put(&self, name: &ObjectName, body: Bytes) -> impl Future<Output = Result<(), Fault>> + Send;
}
