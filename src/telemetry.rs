//! Logs: where they go and how they look, the one wide event of a batch, and the metrics that are made of them.
//!
//! On a terminal lines are for people; anywhere else they are JSON, one object a line, fields at the top level. No
//! query text is logged above debug. The process sends no metrics: CloudWatch counts its lines ([`METRICS`]), which
//! costs the worker nothing and works wherever its logs go there.

use std::io::IsTerminal;
use std::time::Duration;

use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Message of the line that a batch leaves.
const BATCH: &str = "batch";
/// Message when a new catalog serves.
pub const CATALOG_REPLACED: &str = "the catalog was replaced";
/// Message when a new catalog is broken, or not what the guard wants.
pub const CATALOG_REFUSED: &str = "the new catalog is not used, the old one serves on";
/// Message when the pointer to the current catalog cannot be read.
pub const CATALOG_UNKNOWN: &str = "cannot tell whether there is a new catalog";

/// A metric that CloudWatch makes of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name, as AWS writes its own.
    pub name: &'static str,
    /// CloudWatch's name of the unit.
    pub unit: &'static str,
    /// What is counted.
    pub source: Source,
    /// What it tells.
    pub meaning: &'static str,
}

/// What a metric is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A number in the line of a batch.
    Batch(&'static str),
    /// Lines with one of these messages.
    Messages(&'static [&'static str]),
    /// Lines of this level.
    Level(&'static str),
}

/// All metrics. Terraform makes a metric filter of each, and alarms and dashboard name no others of nearline's own.
pub const METRICS: [Metric; 11] = [
    count("Messages", "messages", "messages that were handed to the worker"),
    count("Succeeded", "succeeded", "new records with results"),
    count("Rejected", "rejected", "new records with an error"),
    count("Replayed", "replayed", "jobs that were answered before"),
    count("DeadLettered", "dead_lettered", "messages that no record can answer"),
    count("Retried", "retried", "messages left on the queue after a transient fault"),
    count("Blocked", "blocked", "messages left on the queue after a fault that a person has to mend"),
    Metric {
        name: "BatchDuration",
        unit: "Milliseconds",
        source: Source::Batch("duration_ms"),
        meaning: "from having a batch to having settled it",
    },
    Metric {
        name: "CatalogReplacements",
        unit: "Count",
        source: Source::Messages(&[CATALOG_REPLACED]),
        meaning: "processes that took up a new catalog",
    },
    Metric {
        name: "CatalogRefreshFailures",
        unit: "Count",
        source: Source::Messages(&[CATALOG_REFUSED, CATALOG_UNKNOWN]),
        meaning: "looks for a new catalog that failed, or found one that cannot serve",
    },
    Metric {
        name: "ErrorLines",
        unit: "Count",
        source: Source::Level("ERROR"),
        meaning: "log lines that ask for a person",
    },
];

const fn count(name: &'static str, field: &'static str, meaning: &'static str) -> Metric {
    Metric { name, unit: "Count", source: Source::Batch(field), meaning }
}

/// A metric as Terraform reads it.
#[derive(Debug, Serialize)]
struct MetricFilter {
    name: &'static str,
    unit: &'static str,
    pattern: String,
    value: String,
    meaning: &'static str,
}

/// [`METRICS`] as JSON for Terraform: name, unit, CloudWatch's filter pattern, the value of a matching line, meaning.
pub fn metric_filters() -> String {
    let is = |selector: &str, text: &str| format!("$.{selector} = \"{text}\"");
    let filters = METRICS.map(|Metric { name, unit, source, meaning }| {
        let (pattern, value) = match source {
            Source::Batch(field) => (is("message", BATCH), format!("$.{field}")),
            Source::Messages(messages) => {
                let each: Vec<String> =
                    messages.iter().map(|message| format!("({})", is("message", message))).collect();
                (each.join(" || "), "1".into())
            }
            Source::Level(level) => (is("level", level), "1".into()),
        };
        MetricFilter { name, unit, pattern: format!("{{ {pattern} }}"), value, meaning }
    });
    serde_json::to_string_pretty(&filters).expect("strings serialize") + "\n"
}

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
            "{BATCH}"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// Where lines go as on Lambda, to be read by the test.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(work: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_line_of_a_batch_has_every_number_that_metrics_are_made_of() {
        let line = logged(|| BatchEvent { messages: 3, ..BatchEvent::default() }.emit("id", Duration::from_millis(5)));
        assert_eq!((&line["message"], &line["level"]), (&BATCH.into(), &"INFO".into()));
        for metric in METRICS {
            if let Source::Batch(field) = metric.source {
                assert!(line[field].is_number(), "{field} of {} in {line}", metric.name);
            }
        }
        assert_eq!((&line["messages"], &line["duration_ms"]), (&3.into(), &5.0.into()));
    }

    #[test]
    fn metrics_have_names_of_their_own_and_units_that_cloudwatch_knows() {
        let names: HashSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        assert!(METRICS.iter().all(|metric| ["Count", "Milliseconds"].contains(&metric.unit)));
    }

    #[test]
    fn terraform_has_these_metrics() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/terraform/modules/observability/metrics.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, metric_filters()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap();
        assert_eq!(found, metric_filters(), "run `make docs`");
    }

    #[test]
    fn every_metric_is_documented() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
        for metric in METRICS {
            assert!(page.contains(&format!("`{}`", metric.name)), "{}", metric.name);
        }
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
