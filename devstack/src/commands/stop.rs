//! How a command is asked to end: SIGTERM or SIGINT.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::DevstackError;

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
