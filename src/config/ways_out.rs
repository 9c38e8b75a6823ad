//! Settings of what a worker exports beside logs and records.

use super::reader::Reader;
use super::table::{METRICS, METRICS_NAMESPACE, TRACES};
use crate::telemetry;

/// What decides which batches are traced.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];
/// How traces are exported.
const PROTOCOL: &str = "http/protobuf";
/// Longest name of a namespace in CloudWatch.
const NAMESPACE_MAX: usize = 255;

impl Reader {
    /// Metrics and traces.
    pub(super) fn ways_out(&mut self) -> telemetry::Settings {
        let emf = self.one_of(&METRICS, &["filters", "emf"]) == "emf";
        let traces = self.one_of(&TRACES, &["off", "otlp"]) == "otlp";
        if traces {
            self.check_variable("OTEL_TRACES_SAMPLER", &SAMPLERS);
            self.check_variable("OTEL_EXPORTER_OTLP_PROTOCOL", &[PROTOCOL]);
            self.check_variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", &[PROTOCOL]);
        }
        let namespace = self.text(&METRICS_NAMESPACE).unwrap_or_default();
        if !is_namespace(&namespace) {
            let (name, range) = (METRICS_NAMESPACE.name, METRICS_NAMESPACE.range);
            self.fault(format!("{name} must be {range}, was `{namespace}`"));
        }
        telemetry::Settings { emf_namespace: emf.then_some(namespace), traces }
    }

    /// OpenTelemetry's libraries read their variables themselves, and pass over what they do not know.
    fn check_variable(&mut self, name: &str, allowed: &[&str]) {
        if let Some(value) = self.variable(name).filter(|value| !allowed.contains(value)) {
            let fault = format!("{name} must be {}, was `{value}`", allowed.join(", "));
            self.fault(fault);
        }
    }
}

/// Whether CloudWatch accepts it, and it is not one of AWS's own.
fn is_namespace(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    !name.is_empty() && name.len() <= NAMESPACE_MAX && name.chars().all(allowed) && !name.starts_with("AWS/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<telemetry::Settings, String> {
        let required = [("NEARLINE_QUEUE_URL", "http://q"), ("NEARLINE_RESULTS_TABLE", "t"), ("NEARLINE_CATALOG", "c")];
        let variables = required.iter().chain(set).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Reader::new(variables).worker().map(|settings| settings.telemetry).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_leaves_a_worker_but_what_was_asked_for() {
        assert_eq!(read(&[]), Ok(telemetry::Settings::default()));
        assert_eq!(read(&[("NEARLINE_METRICS_NAMESPACE", "nearline/shop")]), Ok(telemetry::Settings::default()));
        let both = [("NEARLINE_METRICS", "emf"), ("NEARLINE_TRACES", "otlp"), ("OTEL_TRACES_SAMPLER", "always_on")];
        let expected = telemetry::Settings { emf_namespace: Some("nearline".into()), traces: true };
        assert_eq!(read(&both), Ok(expected));
    }

    #[test]
    fn what_would_be_passed_over_in_silence_is_refused() {
        for (set, told) in [
            (("NEARLINE_METRICS", "statsd"), "NEARLINE_METRICS must be filters or emf, was `statsd`"),
            (("NEARLINE_METRICS_NAMESPACE", "AWS/Lambda"), "NEARLINE_METRICS_NAMESPACE must be 1 to 255 letters"),
            (("NEARLINE_TRACES", "xray"), "NEARLINE_TRACES must be off or otlp, was `xray`"),
            (("OTEL_TRACES_SAMPLER", "xray"), "OTEL_TRACES_SAMPLER must be always_on, always_off"),
            (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, was `grpc`"),
        ] {
            let message = read(&[("NEARLINE_TRACES", "otlp"), set]).unwrap_err();
            assert!(message.starts_with(told), "{message}");
        }
        assert!(read(&[("OTEL_TRACES_SAMPLER", "xray")]).is_ok(), "nobody asks for it");
    }
}
