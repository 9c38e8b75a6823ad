//! Logs: where they go and how they look, the events that others count on, the metrics derived from them, and the other
//exporters of numbers.
//!
//! On a terminal lines are for people; anywhere else they are JSON, one object a line, fields at the top level. No
//! query text is logged above debug. What programs read has a stable `event` ([`event`]); sentences may change.

pub mod batches;
pub mod done;
pub mod emf;
pub mod event;
pub mod exposition;
pub mod health;
mod lines;
pub mod metrics;
pub mod observers;
pub mod server;
mod settings;
pub mod stages;
pub mod traces;

use std::io::IsTerminal;

pub use settings::Settings;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Sets the process's logging up; `filter` is what [`check_filter`] let pass.
pub fn init(filter: &str) {
    let filter = EnvFilter::new(filter);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests, several commands in one process) keeps the first setting.
    let _ = if std::io::stderr().is_terminal() {
        logs.with_target(false).finish().with(lines::Lines).try_init()
    } else {
        let logs = logs.json().flatten_event(true).with_current_span(false).with_span_list(false).with_ansi(false);
        logs.finish().with(lines::Lines).try_init()
    };
}

/// Whether a filter can be read. A bare word that is not a level would be read as a module's name and silence all
/// others.
pub fn check_filter(filter: &str) -> bool {
    let bare_word = filter.chars().all(|c| c.is_ascii_alphanumeric());
    let readable = EnvFilter::try_new(filter).is_ok();
    readable && (!bare_word || filter.parse::<tracing::level_filters::LevelFilter>().is_ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::subscriber::DefaultGuard;

    use super::*;

    /// Where lines go as on Lambda, to be read by a test.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        /// Of this thread, until the guard is dropped.
        pub(crate) fn collect(&self) -> DefaultGuard {
            let writer = self.clone();
            let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
            tracing::subscriber::set_default(subscriber.finish())
        }

        pub(crate) fn read(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The one line that some work logs.
    pub(super) fn logged(work: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let guard = lines.collect();
        work();
        drop(guard);
        let [line] = <[Value; 1]>::try_from(lines.read()).unwrap();
        line
    }

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
