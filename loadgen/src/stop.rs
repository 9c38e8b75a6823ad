//! How a run is ended before its time: by asking once, twice, or three times.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{outputs, terminal};

/// What a shell reports for a program that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Shared by everything that can ask for the end and everything that has to hear of it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    pub(crate) sending: CancellationToken,
    pub(crate) waiting: CancellationToken,
    asked: Arc<AtomicUsize>,
}

impl Stop {
    /// The first time ends the sending, the second time the waiting for records; both still report. The third time ends
    /// the program. Returns what that means, for people.
    pub(crate) fn ask(&self) -> &'static str {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            0 => self.sending.cancel(),
            1 => {
                self.sending.cancel();
                self.waiting.cancel();
            }
            _ => {
                terminal::restore();
                std::process::exit(EXIT_INTERRUPTED);
            }
        }
        self.notice().unwrap_or_default()
    }

    /// What is going on because somebody asked; `None` if nobody did.
    pub(crate) fn notice(&self) -> Option<&'static str> {
        match self.asked.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(
                "sending has stopped; waiting for the records of the jobs that were sent (Ctrl-C again to stop waiting)",
            ),
            _ => Some("looking up each missing record once more (Ctrl-C again to give up without a report)"),
        }
    }

    /// Asks on each SIGINT and SIGTERM from now on, and once when the terminal hangs up, unless `nohup` said that this is
    /// nothing to us. Tells people if `tell`.
    ///
    /// # Errors
    /// The system has no signals to listen to.
    pub(crate) fn on_signals(&self, tell: bool) -> io::Result<()> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let stop = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    Some(()) = async { hangup.as_mut()?.recv().await } => {
                        // Shell and system may each say that the one terminal is gone.
                        hangup = None;
                    }
                }
                let notice = stop.ask();
                if tell {
                    outputs::tell(&format!("loadgen: {notice}"));
                }
            }
        });
        Ok(())
    }
}

/// Whether this process was started with SIGHUP ignored: a handler would undo that. Known on Linux alone.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1, SIGHUP.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
