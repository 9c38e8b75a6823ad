//! Logs: where they go and how they look, and the one wide event of a batch.
//!
//! On a terminal lines are for people; anywhere else they are JSON, one object a line, fields at the top level. No
//! query text is logged above debug.

use std::io::IsTerminal;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// Sets the process's logging up; `filter` is what [`check_filter`] let pass.
pub fn init(filter: &str) {
    let filter = EnvFilter::new(filter);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests, several commands in one process) keeps the first setting.
    let _ = if std::io::stderr().is_terminal() {
        logs.with_target(false).try_init()
    } else {
        logs.json().flatten_event(true).with_current_span(false).with_span_list(false).with_ansi(false).try_init()
    };
}

/// Whether a filter can be read. A bare word that is no level would be taken for the name of a module and silence all
/// others.
pub fn check_filter(filter: &str) -> bool {
    let bare_word = filter.chars().all(|c| c.is_ascii_alphanumeric());
    let readable = EnvFilter::try_new(filter).is_ok();
    readable && (!bare_word || filter.parse::<tracing::level_filters::LevelFilter>().is_ok())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_names_modules() {
        for filter in ["info", "off", "nearline=debug", "warn,nearline::embed=trace"] {
            assert!(check_filter(filter), "{filter}");
        }
        for filter in ["verbose", "nearline=loud"] {
            assert!(!check_filter(filter), "{filter}");
        }
    }
}
