//! The boundary to where artifacts are kept.

use bytes::Bytes;

use super::location::ObjectName;
use crate::fault::Fault;

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
