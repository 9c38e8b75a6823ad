//! The registry of metrics. The process sends none: CloudWatch counts the lines of events, which costs the worker
//! nothing and works wherever its logs go there. Terraform makes a filter of each ([`filters`]).

use serde::Serialize;

use super::event::{BATCH, CATALOG_REFUSED, CATALOG_REPLACED, CATALOG_UNKNOWN};

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
    /// A number in the event of a batch.
    Batch(&'static str),
    /// Events of one of these ids.
    Events(&'static [&'static str]),
    /// Lines of this level.
    Level(&'static str),
}

/// All metrics. Terraform makes a metric filter of each, and alarms and dashboard name no others of nearline's own.
pub const METRICS: [Metric; 11] = [
    count("Messages", "messages", "messages that were handed to the worker"),
    count("Succeeded", "succeeded", "new records with results"),
    count("Rejected", "rejected", "new records with an error"),
    count("Replayed", "replayed", "jobs that were answered before"),
    count("DeadLettered", "dead_lettered", "messages that were moved to the dead-letter queue"),
    count("Retried", "retried", "messages left on the queue for another attempt"),
    count("Blocked", "blocked", "messages left on the queue until an operator has acted"),
    Metric {
        name: "BatchDuration",
        unit: "Milliseconds",
        source: Source::Batch("duration_ms"),
        meaning: "from having a batch to having settled it",
    },
    Metric {
        name: "CatalogReplacements",
        unit: "Count",
        source: Source::Events(&[CATALOG_REPLACED]),
        meaning: "processes that took up a new catalog",
    },
    Metric {
        name: "CatalogRefreshFailures",
        unit: "Count",
        source: Source::Events(&[CATALOG_REFUSED, CATALOG_UNKNOWN]),
        meaning: "looks for a new catalog that failed, or found one that cannot serve",
    },
    Metric {
        name: "ErrorLines",
        unit: "Count",
        source: Source::Level("ERROR"),
        meaning: "log lines that ask for an operator",
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
pub fn filters() -> String {
    let is = |selector: &str, text: &str| format!("$.{selector} = \"{text}\"");
    let filters = METRICS.map(|Metric { name, unit, source, meaning }| {
        let (pattern, value) = match source {
            Source::Batch(field) => (is("event", BATCH), format!("$.{field}")),
            Source::Events(ids) => {
                let each: Vec<String> = ids.iter().map(|id| format!("({})", is("event", id))).collect();
                (each.join(" || "), "1".into())
            }
            Source::Level(level) => (is("level", level), "1".into()),
        };
        MetricFilter { name, unit, pattern: format!("{{ {pattern} }}"), value, meaning }
    });
    serde_json::to_string_pretty(&filters).expect("strings serialize") + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::Value;

    use super::super::event::{self, Batch};
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
        let line = logged(|| Batch { messages: 3, ..Batch::default() }.emit("id", Duration::from_millis(5)));
        assert_eq!((&line["event"], &line["level"]), (&BATCH.into(), &"INFO".into()));
        for metric in METRICS {
            if let Source::Batch(field) = metric.source {
                assert!(line[field].is_number(), "{field} of {} in {line}", metric.name);
            }
        }
        assert_eq!((&line["messages"], &line["duration_ms"]), (&3.into(), &5.0.into()));
    }

    #[test]
    fn the_events_of_metrics_are_those_that_are_logged() {
        let lines = [
            logged(|| event::catalog_replaced("a", "b")),
            logged(|| event::catalog_refused(&"broken", "b", "a")),
            logged(|| event::catalog_unknown(&"away", "a")),
        ];
        let ids: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
        for metric in METRICS {
            if let Source::Events(counted) = metric.source {
                assert!(counted.iter().all(|id| ids.contains(id)), "{counted:?} of {ids:?}");
            }
        }
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
            std::fs::write(path, filters()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap();
        assert_eq!(found, filters(), "run `make docs`");
    }

    #[test]
    fn every_metric_is_documented() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
        for metric in METRICS {
            assert!(page.contains(&format!("`{}`", metric.name)), "{}", metric.name);
        }
    }
}
