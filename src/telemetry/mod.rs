//! Logs: where they go and how they look, the events that others count on, the metrics that are made of them, and the
//! other ways out for numbers.
//!
//! On a terminal lines are for people; anywhere else they are JSON, one object a line, fields at the top level. No
//! query text is logged above debug. What programs read has a stable `event` ([`event`]); sentences may change.

pub mod emf;
pub mod event;
pub mod exposition;
pub mod health;
mod lines;
pub mod metrics;
pub mod observers;
pub mod server;
mod settings;
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

/// Whether a filter can be read. A bare word that is no level would be taken for the name of a module and silence all
/// others.
pub fn check_filter(filter: &str) -> bool {
    let bare_word = filter.chars().all(|c| c.is_ascii_alphanumeric());
    let readable = EnvFilter::try_new(filter).is_ok();
    readable && (!bare_word || filter.parse::<tracing::level_filters::LevelFilter>().is_ok())
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
