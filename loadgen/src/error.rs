//! What keeps a run from its end.

use std::io;
use std::path::PathBuf;

use crate::aws::AccessError;
use crate::verify::Unverified;

/// What keeps a run from its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file that the run needs cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// What the system said, or what is wrong with the content.
        cause: String,
    },
    /// Checked before the run as well: a report must not be lost for want of a folder.
    #[error("cannot write {}: {cause}", path.display())]
    Output {
        /// As given.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// No signals on this system.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// The queue or the table cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The queue refused a request for good while the run went on; there is a report all the same.
    #[error("sending stopped early because the queue rejected a batch for good: {0}")]
    Refused(String),
    /// The records cannot be read at the end; there is a report all the same.
    #[error(transparent)]
    Unverified(#[from] Unverified),
}
