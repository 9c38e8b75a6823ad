//! The metrics of a polling worker as Prometheus scrapes them: those of the registry by the conventions of Prometheus,
//! and gauges that are read at each scrape.

use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text::{self, CONTENT_TYPE};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::done::Done;
use super::health::Health;
use super::metrics::{METRICS, Metric, Source};
use super::observers::Observer;

/// Upper bounds of durations, in seconds: from a scan of a small catalog to the longest time of a batch.
const SECONDS: [f64; 18] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// What becomes of the messages of a batch, by its numbers.
const OUTCOMES: [&str; 6] = ["succeeded", "rejected", "replayed", "dead_lettered", "retried", "blocked"];

type Label = (&'static str, &'static str);
type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// The metrics of this process.
pub struct Exposition {
    registry: Registry,
    /// For each of [`METRICS`].
    instruments: [Instrument; METRICS.len()],
}

/// What a metric is here.
#[derive(Debug, Clone)]
enum Instrument {
    /// The sum of others.
    None,
    Counter(Counter),
    /// Its numbers are milliseconds.
    Seconds(Histogram),
}

impl Exposition {
    /// Metrics that begin with nothing; `health` tells the gauges.
    pub fn new(health: Health) -> Self {
        let mut registry = Registry::default();
        let build = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("nearline_build", "The build that is running", Info::new(build));
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let help = "When the process was started, in seconds since the epoch";
        registry.register("process_start_time_seconds", help, ConstGauge::new(started));
        let (messages, stages) = (Family::<[Label; 1], Counter>::default(), Histograms::new_with_constructor(seconds));
        let instruments = METRICS.each_ref().map(|metric| match metric.source {
            Source::Batch("messages") => Instrument::None,
            Source::Batch(field) if OUTCOMES.contains(&field) => {
                Instrument::Counter(messages.get_or_create_owned(&[("outcome", field)]))
            }
            Source::Batch("duration_ms") => {
                let histogram = seconds();
                registry.register("nearline_batch_duration_seconds", metric.meaning, histogram.clone());
                Instrument::Seconds(histogram)
            }
            Source::Batch(field) => match stage(field) {
                Some(stage) => Instrument::Seconds(stages.get_or_create_owned(&[("stage", stage)])),
                None => Instrument::Counter(counter(&mut registry, metric)),
            },
            Source::Events(_) | Source::EventsWith { .. } | Source::Level(_) => {
                Instrument::Counter(counter(&mut registry, metric))
            }
        });
        registry.register("nearline_messages", by(|field| OUTCOMES.contains(&field).then_some(field)), messages);
        registry.register("nearline_stage_duration_seconds", by(stage), stages);
        registry.register_collector(Box::new(Gauges(health)));
        Self { registry, instruments }
    }

    /// The page and its content type.
    pub fn page(&self) -> (String, &'static str) {
        let mut page = String::with_capacity(16 << 10);
        prometheus_text::encode(&mut page, &self.registry).expect("a String takes all, and no histogram is native");
        (page, CONTENT_TYPE)
    }
}

impl Observer for std::sync::Arc<Exposition> {
    fn batch(&self, done: &Done) {
        let numbers = done.numbers();
        for (metric, instrument) in METRICS.iter().zip(&self.instruments) {
            let Source::Batch(field) = metric.source else { continue };
            let Some(&(_, number)) = numbers.iter().find(|(name, _)| *name == field) else { continue };
            match instrument {
                Instrument::None => {}
                Instrument::Counter(counter) => {
                    counter.inc_by(number as u64);
                }
                Instrument::Seconds(histogram) => histogram.observe(number / 1e3),
            }
        }
    }

    fn line(&self, metric: usize, count: u64) {
        if let Instrument::Counter(counter) = &self.instruments[metric] {
            counter.inc_by(count);
        }
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// The stage that a number of a batch is the time of.
fn stage(field: &'static str) -> Option<&'static str> {
    field.strip_suffix("_ms").filter(|stage| *stage != "duration")
}

/// `DeadLettered` as a counter: `nearline_dead_lettered_total`.
fn counter(registry: &mut Registry, metric: &Metric) -> Counter {
    let mut name = "nearline".to_owned();
    for letter in metric.name.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    let counter = Counter::default();
    registry.register(name, metric.meaning, counter.clone());
    counter
}

/// What the values of a label mean, in the words of the registry.
fn by(label: impl Fn(&'static str) -> Option<&'static str>) -> String {
    let meanings = METRICS.iter().filter_map(|metric| match metric.source {
        Source::Batch(field) => Some(format!("{}: {}", label(field)?, metric.meaning)),
        Source::Events(_) | Source::EventsWith { .. } | Source::Level(_) => None,
    });
    meanings.collect::<Vec<_>>().join("; ")
}

/// What the worker is at.
struct Gauges(Health);

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self(health) = self;
        let mut gauge = |name: &str, help: &str, value: f64| {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        let receiving = if health.not_ready().is_none() { 1.0 } else { 0.0 };
        gauge("nearline_receiving", "1 while messages are received, as /readyz says", receiving)?;
        let Some(watched) = health.watched() else { return Ok(()) };
        let serving = watched.serving();
        gauge("nearline_batches_in_flight", "Batches being processed", watched.batches_in_flight() as f64)?;
        let calls = watched.model_calls_in_flight();
        gauge("nearline_model_calls_in_flight", "Calls to the embedding model in flight", calls as f64)?;
        gauge("nearline_catalog_rows", "Products of the catalog being served", serving.rows as f64)?;
        let help = "Memory taken by the catalog being served";
        gauge("nearline_catalog_memory_bytes", help, serving.memory_bytes as f64)?;
        let labels = vec![
            ("version", serving.version),
            ("model", serving.model.unwrap_or_default()),
            ("dimension", serving.dimension.to_string()),
            ("kernel", serving.kernel.to_owned()),
        ];
        let help = "The catalog being served";
        Info::new(labels).encode(encoder.encode_descriptor("nearline_catalog", help, None, MetricType::Info)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use prometheus_parse::{HistogramCount, Scrape, Value};

    use super::*;
    use crate::telemetry::event::Batch;
    use crate::telemetry::health::{Serving, Watched};
    use crate::telemetry::stages::{Stages, Stretch};

    struct Worker;

    impl Watched for Worker {
        fn not_receiving(&self) -> Option<&'static str> {
            Some("draining")
        }

        fn serving(&self) -> Serving {
            let model = Some("a \"model\"\\of\nmine".to_owned());
            Serving { version: "v1".into(), model, rows: 7, dimension: 3, memory_bytes: 99, kernel: "portable" }
        }

        fn model_calls_in_flight(&self) -> usize {
            3
        }

        fn batches_in_flight(&self) -> usize {
            2
        }
    }

    fn scrape(exposition: &Exposition) -> Scrape {
        Scrape::parse(exposition.page().0.lines().map(|line| Ok(line.to_owned()))).unwrap()
    }

    fn value<'a>(scrape: &'a Scrape, name: &str, label: Option<Label>) -> &'a Value {
        let found = scrape.samples.iter().find(|sample| {
            sample.metric == name && label.is_none_or(|(key, value)| sample.labels.get(key) == Some(value))
        });
        &found.unwrap_or_else(|| panic!("no {name} {label:?}")).value
    }

    #[test]
    fn a_scrape_has_every_metric_of_the_registry_with_its_meaning() {
        let exposition = Arc::new(Exposition::new(Health::default()));
        let batch = Batch { messages: 5, succeeded: 3, retried: 2, ..Batch::default() };
        for _ in 0..2 {
            let embed = Stretch { took: Duration::from_millis(3), within: None };
            let stages = Stages { embed, cache_hits: 2, ..Stages::default() };
            exposition.batch(&Done { batch, stages, duration: Duration::from_millis(40), ..Done::default() });
        }
        let line = METRICS.iter().position(|metric| matches!(metric.source, Source::Level(_))).unwrap();
        exposition.line(line, 1);
        let scrape = scrape(&exposition);
        for (outcome, count) in OUTCOMES.into_iter().zip([6.0, 0.0, 0.0, 0.0, 4.0, 0.0]) {
            let found = value(&scrape, "nearline_messages_total", Some(("outcome", outcome)));
            assert_eq!(*found, Value::Counter(count), "{outcome}");
        }
        assert_eq!(*value(&scrape, "nearline_error_lines_total", None), Value::Counter(1.0));
        assert_eq!(*value(&scrape, "nearline_cache_hits_total", None), Value::Counter(4.0));
        let stage = Some(("stage", "embed"));
        let Value::Histogram(buckets) = value(&scrape, "nearline_stage_duration_seconds", stage) else { panic!() };
        let within = |buckets: &[HistogramCount], bound: f64| {
            buckets.iter().find(|bucket| bucket.less_than.total_cmp(&bound).is_eq()).unwrap().count as usize
        };
        assert_eq!((within(buckets, 0.0025), within(buckets, 0.005)), (0, 2));
        assert_eq!(*value(&scrape, "nearline_catalog_refresh_failures_total", None), Value::Counter(0.0));
        let Value::Histogram(buckets) = value(&scrape, "nearline_batch_duration_seconds", None) else { panic!() };
        let counts = [0.025, 0.05, f64::INFINITY].map(|bound| within(buckets, bound));
        assert_eq!(counts, [0, 2, 2]);
        assert_eq!(*value(&scrape, "nearline_batch_duration_seconds_count", None), Value::Untyped(2.0));
        let page = exposition.page().0;
        for metric in METRICS {
            let told = metric.source == Source::Batch("messages") || page.contains(metric.meaning);
            assert!(told, "HELP of {}", metric.name);
        }
        let types: Vec<&str> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let named = types.iter().filter(|line| line.contains(" nearline_") || line.contains(" process_start_time_"));
        assert_eq!(named.count(), types.len(), "{types:?}");
    }

    #[test]
    fn gauges_say_what_the_worker_is_at() {
        let health = Health::default();
        let exposition = Exposition::new(health.clone());
        assert_eq!(*value(&scrape(&exposition), "nearline_receiving", None), Value::Gauge(0.0), "it is starting");
        health.watch(Arc::new(Worker));
        let scrape = scrape(&exposition);
        assert_eq!(*value(&scrape, "nearline_receiving", None), Value::Gauge(0.0), "it is draining");
        assert_eq!(*value(&scrape, "nearline_batches_in_flight", None), Value::Gauge(2.0));
        assert_eq!(*value(&scrape, "nearline_catalog_rows", None), Value::Gauge(7.0));
        assert_eq!(*value(&scrape, "nearline_catalog_info", Some(("version", "v1"))), Value::Gauge(1.0));
        assert_eq!(
            *value(&scrape, "nearline_build_info", Some(("version", env!("CARGO_PKG_VERSION")))),
            Value::Gauge(1.0)
        );
        let Value::Gauge(started) = value(&scrape, "process_start_time_seconds", None) else { panic!() };
        assert!(*started > 1.7e9);
    }
}
