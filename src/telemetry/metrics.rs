//! The registry of metrics. CloudWatch counts the lines of events, which costs the worker nothing and works wherever its
//! logs go there: Terraform makes a filter of each ([`filters`]). The other exporters use the same ones.

use serde::Serialize;

use super::event::{BATCH, CATALOG_REFUSED, CATALOG_REPLACED, CATALOG_UNKNOWN, JOB_REJECTED, JOBS_RETRIED};

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
    /// Events of an id with this text in a field; a number in them, or each of them.
    EventsWith {
        /// The id.
        event: &'static str,
        /// The field, and what it says.
        says: (&'static str, &'static str),
        /// The number.
        number: Option<&'static str>,
    },
    /// Lines of this level.
    Level(&'static str),
}

/// All metrics. Terraform makes a metric filter of each, and alarms and dashboard name no others of nearline's own.
pub const METRICS: [Metric; 23] = [
    count("Messages", "messages", "messages that were handed to the worker"),
    count("Succeeded", "succeeded", "new records with results"),
    count("Rejected", "rejected", "new records with an error"),
    count("Replayed", "replayed", "jobs that were answered before"),
    count("DeadLettered", "dead_lettered", "messages that were moved to the dead-letter queue"),
    count("Retried", "retried", "messages left on the queue for another attempt"),
    count("Blocked", "blocked", "messages left on the queue until an operator has acted"),
    time("BatchDuration", "duration_ms", "from receiving a batch to settling it"),
    time("QueueWait", "wait_ms", "from being sent to being received, the longest of a batch"),
    time("LookUpDuration", "look_up_ms", "asking DynamoDB for records that exist"),
    time("EmbedWaitDuration", "embed_wait_ms", "until the limits allowed a call of the model, the longest of a batch"),
    time("EmbedDuration", "embed_ms", "calls to the embedding model, the longest of a batch"),
    time("ScanWaitDuration", "scan_wait_ms", "until earlier scans were done, the longest of a batch"),
    time("ScanDuration", "scan_ms", "scans of the catalog, the longest of a batch"),
    time("WriteDuration", "write_ms", "writing records, the longest of a batch"),
    time("SettleDuration", "settle_ms", "deleting, postponing and dead-lettering messages"),
    count("CacheHits", "cache_hits", "texts whose vector was cached"),
    count("TextsEmbedded", "texts_embedded", "texts that needed a call to the model"),
    Metric {
        name: "Throttled",
        unit: "Count",
        source: Source::EventsWith { event: JOBS_RETRIED, says: ("cause", "throttled"), number: Some("messages") },
        meaning: "messages left for another attempt because a service refused for its rate",
    },
    Metric {
        name: "TextsRefused",
        unit: "Count",
        source: Source::EventsWith { event: JOB_REJECTED, says: ("code", "text_refused"), number: None },
        meaning: "jobs whose text the embedding model refused",
    },
    Metric {
        name: "CatalogReplacements",
        unit: "Count",
        source: Source::Events(&[CATALOG_REPLACED]),
        meaning: "processes that began to serve a new catalog",
    },
    Metric {
        name: "CatalogRefreshFailures",
        unit: "Count",
        source: Source::Events(&[CATALOG_REFUSED, CATALOG_UNKNOWN]),
        meaning: "checks for a new catalog that failed, or found one that cannot be served",
    },
    Metric {
        name: "ErrorLines",
        unit: "Count",
        source: Source::Level("ERROR"),
        meaning: "log lines that need an operator",
    },
];

const fn count(name: &'static str, field: &'static str, meaning: &'static str) -> Metric {
    Metric { name, unit: "Count", source: Source::Batch(field), meaning }
}

const fn time(name: &'static str, field: &'static str, meaning: &'static str) -> Metric {
    Metric { name, unit: "Milliseconds", source: Source::Batch(field), meaning }
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
            Source::EventsWith { event, says: (field, text), number } => {
                let value = number.map_or_else(|| "1".into(), |number| format!("$.{number}"));
                (format!("({}) && ({})", is("event", event), is(field, text)), value)
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

    use serde_json::Value;

    use super::super::event::{self, Batch, Done, Subject};
    use super::super::tests::logged;
    use super::*;
    use crate::fault::{Cause, Fault};

    #[test]
    fn the_line_of_a_batch_has_every_number_that_metrics_are_made_of() {
        let done = Done {
            batch: Batch { messages: 3, ..Batch::default() },
            duration: std::time::Duration::from_millis(5),
            ..Done::default()
        };
        let line = logged(|| event::batch(&done, 1));
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
            logged(|| event::catalog_replaced("a", "b", None)),
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
    fn what_is_selected_is_logged() {
        let one = Subject { message_id: "m", request_id: Some("r"), receive_count: 2 };
        let lines: [Value; 2] = [
            logged(|| event::jobs_failed(&Fault::new(Cause::Throttled, "slow down"), 7, one)),
            logged(|| event::job_rejected(one, nearline_contract::ErrorCode::TextRefused.as_str())),
        ];
        let mut selected = 0;
        for metric in METRICS {
            if let Source::EventsWith { event, says: (field, text), number } = metric.source {
                let line = lines.iter().find(|line| line["event"] == event && line[field] == text);
                let line = line.unwrap_or_else(|| panic!("{}: no such line", metric.name));
                assert!(number.is_none_or(|number| line[number] == 7), "{line}");
                selected += 1;
            }
        }
        assert_eq!(selected, lines.len());
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
