//! One file a subcommand: its arguments, and a `run` that returns after SIGTERM or SIGINT.

pub(crate) mod bedrock;
pub(crate) mod demo;
mod environment_file;
pub(crate) mod lambda;
pub(crate) mod proxy;
pub(crate) mod up;

use std::path::Path;

use devstack::DevstackError;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The two ways of asking a command to end. Heard from when this is made, so also while something still starts.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, DevstackError> {
        let listen = |kind| signal(kind).map_err(|source| DevstackError::Signals { source });
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits until one of them is heard.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Writes a file under another name beside it and renames it, so that readers see all of it or none.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), DevstackError> {
    let failed = |source| DevstackError::File { action: "write", path: path.into(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    std::fs::write(&partial, content).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(|source| {
        let _ = std::fs::remove_file(&partial);
        failed(source)
    })
}
