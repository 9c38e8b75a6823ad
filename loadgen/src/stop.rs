//! How a run is ended before its time: by asking once, twice, or three times.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::terminal;

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
            1 => Some("no more jobs are sent; waiting for the records of those that were (Ctrl-C again to stop)"),
            _ => Some("looking each missing record up once more (Ctrl-C again to give up without a report)"),
        }
    }

    /// Asks on each SIGINT and SIGTERM from now on, and tells people if `tell`.
    ///
    /// # Errors
    /// The system has no signals to listen to.
    pub(crate) fn on_signals(&self, tell: bool) -> io::Result<()> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let stop = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                let notice = stop.ask();
                if tell {
                    eprintln!("loadgen: {notice}");
                }
            }
        });
        Ok(())
    }
}
