//! Metrics as lines of CloudWatch's embedded metric format, for log groups without metric filters.
//!
//! Of the format only what its specification documents: a metric is a number, or an array of at most 100, each of which
//! CloudWatch counts as one sample. So a line carries up to 100 batches. Written by hand: the crates for it
//! either drop what comes after the hundredth value, or bring 28 others for what is one object of JSON.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::done::Done;
use super::metrics::{METRICS, Source};
use super::observers::Observer;

/// Most samples of a metric in a line, by the specification.
const SAMPLES_MAX: usize = 100;

/// Gathers what becomes a line.
pub struct Emf {
    namespace: String,
    period: Duration,
    gathered: Mutex<Gathered>,
    out: Mutex<Box<dyn Write + Send>>,
}

/// Since the last line.
struct Gathered {
    since: Option<(Instant, SystemTime)>,
    batches: usize,
    /// For each of [`METRICS`]: a sample for each batch, or one that counts lines.
    samples: [Vec<f64>; METRICS.len()],
}

impl Gathered {
    fn begin(&mut self) {
        self.since.get_or_insert_with(|| (Instant::now(), SystemTime::now()));
    }
}

impl Emf {
    /// Writes lines to `out`, a line once its first sample is `period` old; zero: a line for each batch.
    pub fn new(namespace: String, period: Duration, out: impl Write + Send + 'static) -> Self {
        let gathered = Gathered { since: None, batches: 0, samples: [const { Vec::new() }; METRICS.len()] };
        Self { namespace, period, gathered: Mutex::new(gathered), out: Mutex::new(Box::new(out)) }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was gathered, if it is `age` old.
    fn write(&self, mut gathered: MutexGuard<'_, Gathered>, age: Duration) {
        let Some((_, began)) = gathered.since.filter(|(since, _)| since.elapsed() >= age) else { return };
        (gathered.since, gathered.batches) = (None, 0);
        let samples = gathered.samples.each_mut().map(std::mem::take);
        drop(gathered);
        let mut line = line(&self.namespace, began, &samples).to_string();
        line.push('\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(event = "metrics_not_written", %error, "metrics could not be written and are lost");
        }
    }
}

impl Observer for Emf {
    fn batch(&self, done: &Done) {
        let numbers = done.numbers();
        let mut gathered = self.gathered();
        gathered.begin();
        gathered.batches += 1;
        for (metric, samples) in METRICS.iter().zip(&mut gathered.samples) {
            if let Source::Batch(field) = metric.source
                && let Some((_, number)) = numbers.iter().find(|(name, _)| *name == field)
            {
                samples.push(*number);
            }
        }
        let full = gathered.batches == SAMPLES_MAX;
        self.write(gathered, if full { Duration::ZERO } else { self.period });
    }

    fn line(&self, metric: usize, count: u64) {
        let mut gathered = self.gathered();
        gathered.begin();
        match &mut gathered.samples[metric][..] {
            [sum] => *sum += count as f64,
            _ => gathered.samples[metric].push(count as f64),
        }
    }

    fn tick(&self) {
        self.write(self.gathered(), self.period);
    }

    fn flush(&self) {
        self.write(self.gathered(), Duration::ZERO);
    }
}

/// A document of the format.
fn line(namespace: &str, began: SystemTime, samples: &[Vec<f64>; METRICS.len()]) -> Value {
    let timestamp = began.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let sampled = METRICS.iter().zip(samples).filter(|(_, samples)| !samples.is_empty());
    let definitions: Vec<_> =
        sampled.clone().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit})).collect();
    let directive = json!({"Namespace": namespace, "Dimensions": [[]], "Metrics": definitions});
    let mut document = Map::new();
    let timestamp = u64::try_from(timestamp).unwrap_or(u64::MAX);
    document.insert("_aws".into(), json!({"Timestamp": timestamp, "CloudWatchMetrics": [directive]}));
    for (metric, samples) in sampled {
        let target = match &samples[..] {
            [sample] => number(*sample),
            samples => samples.iter().copied().map(number).collect(),
        };
        document.insert(metric.name.into(), target);
    }
    document.into()
}

/// To a thousandth, and as short as it can be.
fn number(sample: f64) -> Value {
    let rounded = (sample * 1e3).round() / 1e3;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 { json!(rounded as i64) } else { json!(rounded) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use serde::Deserialize;

    use super::*;
    use crate::telemetry::event::Batch;

    /// The format by its specification, which allows nothing else in these objects.
    #[derive(Debug, Deserialize)]
    struct Document {
        #[serde(rename = "_aws")]
        metadata: Metadata,
        #[serde(flatten)]
        targets: HashMap<String, Target>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct Metadata {
        timestamp: u64,
        cloud_watch_metrics: [Directive; 1],
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct Directive {
        namespace: String,
        dimensions: Vec<Vec<String>>,
        metrics: Vec<Definition>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct Definition {
        name: String,
        unit: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Target {
        One(f64),
        Several(Vec<f64>),
    }

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Out {
        /// The documents that were written, each found valid.
        fn documents(&self) -> Vec<Document> {
            let written = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let documents: Vec<Document> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            for Document { metadata, targets } in &documents {
                let [Directive { namespace, dimensions, metrics }] = &metadata.cloud_watch_metrics;
                assert!((1..=255).contains(&namespace.len()) && *dimensions == [[""; 0]] && metrics.len() <= 100);
                assert!(metadata.timestamp > 1_795_000_000_000, "milliseconds");
                assert_eq!(targets.len(), metrics.len(), "nothing but targets");
                for Definition { name, unit } in metrics {
                    let known = METRICS.iter().find(|metric| metric.name == name).unwrap();
                    assert_eq!(known.unit, unit);
                    if let Target::Several(samples) = &targets[name] {
                        assert!((2..=100).contains(&samples.len()), "{name}");
                    }
                }
            }
            documents
        }
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn emf(period: Duration) -> (Emf, Out) {
        let out = Out::default();
        (Emf::new("nearline/shop".into(), period, out.clone()), out)
    }

    fn succeed(emf: &Emf, messages: usize) {
        let batch = Batch { messages, succeeded: messages, ..Batch::default() };
        emf.batch(&Done { batch, duration: Duration::from_micros(12_345), ..Done::default() });
    }

    #[test]
    fn a_line_without_a_period_has_one_batch_and_all_its_numbers() {
        let (emf, out) = emf(Duration::ZERO);
        succeed(&emf, 3);
        let documents = out.documents();
        let [document] = &documents[..] else { panic!("{documents:?}") };
        for metric in METRICS {
            let expected = match metric.source {
                Source::Batch("messages" | "succeeded") => Some(Target::One(3.0)),
                Source::Batch("duration_ms") => Some(Target::One(12.345)),
                Source::Batch(_) => Some(Target::One(0.0)),
                Source::Events(_) | Source::EventsWith { .. } | Source::Level(_) => None,
            };
            assert_eq!(document.targets.get(metric.name), expected.as_ref(), "{}", metric.name);
        }
    }

    #[test]
    fn batches_share_a_line_until_it_is_full_and_each_stays_a_sample() {
        let (emf, out) = emf(Duration::from_hours(1));
        for messages in 0..250 {
            succeed(&emf, messages);
        }
        assert_eq!(out.documents().len(), 2);
        emf.tick();
        assert_eq!(out.documents().len(), 2, "the rest is not old enough");
        emf.flush();
        emf.flush();
        let documents = out.documents();
        let samples = documents.iter().flat_map(|document| match &document.targets["Messages"] {
            Target::One(sample) => vec![*sample],
            Target::Several(samples) => samples.clone(),
        });
        assert_eq!(samples.collect::<Vec<_>>(), (0..250).map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn lines_of_the_log_are_counted_and_told_without_a_batch_too() {
        let (emf, out) = emf(Duration::ZERO);
        let errors = METRICS.iter().position(|metric| metric.name == "ErrorLines").unwrap();
        for _ in 0..3 {
            emf.line(errors, 2);
        }
        emf.tick();
        let documents = out.documents();
        assert_eq!(documents[0].targets, HashMap::from([("ErrorLines".to_owned(), Target::One(6.0))]));
    }
}
