//! Logs: where they go and how they look, and the one wide event of a batch.
//!
//! On a terminal lines are for people; anywhere else they are JSON, one object a line, fields at the top level. No
//! query text is logged above debug.

use std::io::IsTerminal;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// Sets the process's logging up; `filter` is `NEARLINE_LOG`. A filter that cannot be read falls back to `info`.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests, several commands in one process) keeps the first setting.
    let _ = if std::io::stderr().is_terminal() {
        logs.with_target(false).try_init()
    } else {
        logs.json().flatten_event(true).with_current_span(false).with_span_list(false).with_ansi(false).try_init()
    };
}

/// What became of a batch: one log line when it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchEvent {
    /// Messages in it.
    pub messages: usize,
    /// New records with results.
    pub succeeded: usize,
    /// New records with an error.
    pub rejected: usize,
    /// Jobs that were answered before.
    pub replayed: usize,
    /// Messages for the dead-letter queue.
    pub dead_lettered: usize,
    /// Messages left on the queue after a transient fault.
    pub retried: usize,
    /// Messages left on the queue after a permanent fault.
    pub blocked: usize,
}

impl BatchEvent {
    /// Logs the event.
    pub fn emit(&self, invocation: &str, duration: Duration) {
        let Self { messages, succeeded, rejected, replayed, dead_lettered, retried, blocked } = *self;
        let duration_ms = duration.as_secs_f64() * 1e3;
        tracing::info!(
            invocation,
            messages,
            succeeded,
            rejected,
            replayed,
            dead_lettered,
            retried,
            blocked,
            duration_ms,
            "batch"
        );
    }
}
