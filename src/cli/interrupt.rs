//! Ctrl-C and SIGTERM: the first one asks, the second Ctrl-C ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output::CliError;

/// What is cancelled by the first of them, once `told` was called.
///
/// # Errors
/// SIGTERM cannot be listened to.
pub(super) fn token(told: impl FnOnce() + Send + 'static) -> Result<CancellationToken, CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::io("SIGTERM"))?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        told();
        stopping.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    Ok(stop)
}
