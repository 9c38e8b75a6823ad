//! Settings of what leaves a worker besides logs and records.

use super::reader::Reader;
use super::table::{METRICS, METRICS_NAMESPACE, TRACES};
use crate::telemetry;

/// Longest name of a namespace in CloudWatch.
const NAMESPACE_MAX: usize = 255;

impl Reader {
    /// Metrics and traces.
    pub(super) fn ways_out(&mut self) -> telemetry::Settings {
        let emf = self.one_of(&METRICS, &["filters", "emf"]) == "emf";
        let traces = self.one_of(&TRACES, &["off", "otlp"]) == "otlp";
        let namespace = self.text(&METRICS_NAMESPACE).unwrap_or_default();
        if !is_namespace(&namespace) {
            let (name, range) = (METRICS_NAMESPACE.name, METRICS_NAMESPACE.range);
            self.fault(format!("{name} must be {range}, was `{namespace}`"));
        }
        telemetry::Settings { emf_namespace: emf.then_some(namespace), traces }
    }
}

/// Whether CloudWatch takes it, and not for one of its own.
fn is_namespace(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    !name.is_empty() && name.len() <= NAMESPACE_MAX && name.chars().all(allowed) && !name.starts_with("AWS/")
}
