//! The boundary to what the processes of a fleet share.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::fault::Fault;

/// A state, and how often it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Each write is one more than the one before.
    pub number: u64,
    /// What was written.
    pub state: String,
}

/// Keeps a state under each of a few names, for all processes.
///
/// - A write takes effect only if what is kept is what the writer has read, so of several writers one wins.
/// - Reads are consistent. A write may have taken effect although its answer was lost.
/// - What is not written for a day may be forgotten.
/// - Kinds of faults: `Permanent` if it cannot be used at all, `Retry` for all else.
///
/// Calls come every few seconds, so that futures in boxes cost nothing that counts.
pub trait Leases: Debug + Send + Sync + 'static {
    /// What is kept.
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Version>, Fault>>;

    /// Writes a version in the place of the one before it; the first has the number 1. If another one is kept, it is not
    /// written, and the answer is false.
    fn write<'a>(&'a self, name: &'a str, version: &'a Version) -> BoxFuture<'a, Result<bool, Fault>>;
}
