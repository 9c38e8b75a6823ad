//! Counts log lines as CloudWatch's metric filters do: by level, event and fields, and only those that are logged.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::metrics::{METRICS, Source};
use super::observers;

/// Shows lines to those who observe.
pub(super) struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, line: &Event<'_>, _: Context<'_, S>) {
        if observers::any() {
            counts(line, observers::line);
        }
    }
}

/// Which metrics count a line, and how much.
fn counts(line: &Event<'_>, mut counted: impl FnMut(usize, u64)) {
    for (metric, counting) in METRICS.iter().enumerate() {
        let count = match counting.source {
            Source::Batch(_) => None,
            Source::Level(level) => (line.metadata().level().as_str() == level).then_some(1),
            Source::Events(ids) => ids.iter().any(|id| says(line, "event", id)).then_some(1),
            Source::EventsWith { event, says: (field, text), number } => {
                let selected = says(line, "event", event) && says(line, field, text);
                selected.then(|| number.map_or(1, |number| self::number(line, number)))
            }
        };
        if let Some(count) = count {
            counted(metric, count);
        }
    }
}

/// Looks at one field.
struct Look<'a> {
    field: &'a str,
    text: &'a str,
    says: bool,
    number: u64,
}

impl Visit for Look<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.says |= field.name() == self.field && value == self.text;
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == self.field {
            self.number = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

fn look<'a>(line: &Event<'_>, field: &'a str, text: &'a str) -> Look<'a> {
    let mut look = Look { field, text, says: false, number: 0 };
    line.record(&mut look);
    look
}

fn says(line: &Event<'_>, field: &str, text: &str) -> bool {
    look(line, field, text).says
}

fn number(line: &Event<'_>, field: &str) -> u64 {
    look(line, field, "").number
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::fault::{Cause, Fault};
    use crate::telemetry::event::{self, Subject};

    /// Keeps what is counted.
    #[derive(Clone, Default)]
    struct Keep(Arc<Mutex<BTreeMap<&'static str, u64>>>);

    impl<S: Subscriber> Layer<S> for Keep {
        fn on_event(&self, line: &Event<'_>, _: Context<'_, S>) {
            counts(line, |metric, count| *self.0.lock().unwrap().entry(METRICS[metric].name).or_default() += count);
        }
    }

    #[test]
    fn lines_are_counted_as_metric_filters_count_them() {
        let kept = Keep::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(kept.clone()));
        let one = Subject { message_id: "m", request_id: None, receive_count: 1 };
        event::jobs_failed(&Fault::new(Cause::Throttled, "slow down"), 7, one);
        event::jobs_failed(&Fault::new(Cause::Throttled, "slow down"), 2, one);
        event::jobs_failed(&Fault::new(Cause::TimedOut, "late"), 5, one);
        event::job_rejected(one, "text_refused");
        event::job_rejected(one, "unknown_category");
        event::catalog_replaced("a", "b", None);
        event::catalog_refused(&"broken", "b", "a");
        event::catalog_unknown(&"away", "a");
        drop(guard);
        let expected = [
            ("CatalogRefreshFailures", 2),
            ("CatalogReplacements", 1),
            ("ErrorLines", 2),
            ("TextsRefused", 1),
            ("Throttled", 9),
        ];
        assert_eq!(*kept.0.lock().unwrap(), BTreeMap::from(expected));
    }
}
