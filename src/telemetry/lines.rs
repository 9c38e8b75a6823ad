//! Counts log lines as CloudWatch's metric filters do: by their level and event, and only those that are logged.

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::observers;

/// Shows lines to those who observe.
pub(super) struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if observers::any() {
            let mut id = Id(None);
            event.record(&mut id);
            observers::line(event.metadata().level().as_str(), id.0);
        }
    }
}

/// The stable id of an event.
struct Id(Option<&'static str>);

impl Visit for Id {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            self.0 = counted(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// An id that a metric counts, as the registry has it.
fn counted(id: &str) -> Option<&'static str> {
    observers::counted().find(|counted| *counted == id)
}
