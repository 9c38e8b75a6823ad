//! Distributions of times: HDR histograms, which are merged and never averaged.

use std::time::Duration;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest time that is told from longer ones.
const LATENCY_MAX: Duration = Duration::from_hours(24);

/// A distribution of times in microseconds. Memory follows the longest time, up to 100 KB at three digits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latency(Histogram<u32>);

/// What people ask of a distribution, in milliseconds; `None` without a single value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Percentiles {
    /// How many times were measured.
    pub count: u64,
    /// The shortest one.
    pub min: Option<f64>,
    /// Their mean.
    pub mean: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// 90 of 100 were at most this long.
    pub p90: Option<f64>,
    /// 95 of 100 were at most this long.
    pub p95: Option<f64>,
    /// 99 of 100 were at most this long.
    pub p99: Option<f64>,
    /// 999 of 1,000 were at most this long.
    pub p99_9: Option<f64>,
    /// The longest one.
    pub max: Option<f64>,
}

/// What is measured of each job: distributions, or their percentiles; `loadgen --help` defines each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Latencies", description = "Distributions in milliseconds; `loadgen --help` defines each.")]
pub(crate) struct Times<T> {
    /// Intended instant to the start of the first request that carries the message.
    pub schedule_lag: T,
    /// From there to the queue's acceptance.
    pub send: T,
    /// Intended instant to the record's first sight.
    pub end_to_end: T,
    /// The part of `end_to_end` that polling may have added.
    pub detection: T,
}

impl Times<Latency> {
    /// Adds all times of others.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.schedule_lag.merge(&other.schedule_lag);
        self.send.merge(&other.send);
        self.end_to_end.merge(&other.end_to_end);
        self.detection.merge(&other.detection);
    }

    pub(crate) fn percentiles(&self) -> Times<Percentiles> {
        let [schedule_lag, send, end_to_end, detection] =
            [&self.schedule_lag, &self.send, &self.end_to_end, &self.detection].map(Latency::percentiles);
        Times { schedule_lag, send, end_to_end, detection }
    }
}

/// One point of a distribution by percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PercentilePoint {
    /// From 0 to 100.
    pub percentile: f64,
    /// So many percent of all took at most this long.
    pub ms: f64,
}

/// Where a distribution is given: closer together towards its end.
const PERCENTILES: [f64; 27] = [
    0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 96.0, 97.0, 98.0, 99.0,
    99.5, 99.75, 99.9, 99.95, 99.975, 99.99, 99.995, 99.999,
];

impl Percentiles {
    /// What tables show, by the names of their columns.
    pub(crate) const COLUMNS: [&str; 6] = ["p50", "p90", "p95", "p99", "p99.9", "max"];

    /// The values of [`Self::COLUMNS`].
    pub(crate) fn columns(&self) -> [Option<f64>; 6] {
        [self.p50, self.p90, self.p95, self.p99, self.p99_9, self.max]
    }
}

impl Default for Latency {
    /// To the microsecond and three digits: for a stage or a run.
    fn default() -> Self {
        Self::new(1, 3)
    }
}

impl Latency {
    /// To 64 microseconds and two digits, a tenth of the memory: for one second among thousands.
    pub(crate) fn coarse() -> Self {
        Self::new(64, 2)
    }

    fn new(lowest: u64, digits: u8) -> Self {
        let mut histogram =
            Histogram::new_with_bounds(lowest, 2 * lowest, digits).expect("1 <= lowest, high = 2 lowest, digits <= 5");
        histogram.auto(true);
        Self(histogram)
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let micros = time.min(LATENCY_MAX).as_micros() as u64;
        self.0.record(micros).expect("a histogram that resizes itself takes any value of 37 bits");
    }

    /// Adds all times of another distribution.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("a histogram that resizes itself takes the values of any other");
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that the share `quantile` of all is at most; zero without a single value.
    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }

    /// By percentile, as far as there are enough values for one beyond it, and the longest one.
    pub(crate) fn by_percentile(&self) -> Vec<PercentilePoint> {
        let beyond = |percentile: f64| (1.0 - percentile / 100.0) * self.0.len() as f64;
        let known = PERCENTILES.into_iter().filter(|percentile| beyond(*percentile) >= 1.0);
        let ms = |percentile: f64| self.0.value_at_quantile(percentile / 100.0) as f64 / 1_000.0;
        let points = known.chain((!self.0.is_empty()).then_some(100.0));
        points.map(|percentile| PercentilePoint { percentile, ms: ms(percentile) }).collect()
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let some = |microseconds: f64| (!self.0.is_empty()).then_some(microseconds / 1_000.0);
        let at = |quantile| some(self.0.value_at_quantile(quantile) as f64);
        Percentiles {
            count: self.0.len(),
            min: some(self.0.min() as f64),
            mean: some(self.0.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: some(self.0.max() as f64),
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn percentiles_are_in_milliseconds_and_absent_without_values() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentiles(), Percentiles::default());
        (1..=1_000).for_each(|index| latency.record(index * MS));
        let found = latency.percentiles();
        for (found, expected) in [
            (found.min, 1.0),
            (found.mean, 500.5),
            (found.p50, 500.0),
            (found.p90, 900.0),
            (found.p95, 950.0),
            (found.p99, 990.0),
            (found.p99_9, 999.0),
            (found.max, 1_000.0),
        ] {
            let found = found.unwrap();
            assert!((found - expected).abs() <= expected / 1_000.0, "{found} for {expected}");
        }
        latency.record(2 * LATENCY_MAX);
        assert!(latency.quantile(1.0) >= LATENCY_MAX, "a time beyond the range counts as the longest");
    }

    #[test]
    fn a_distribution_goes_as_far_as_there_are_values_for_it() {
        let mut latency = Latency::default();
        assert_eq!(latency.by_percentile(), []);
        (1..=200).for_each(|index| latency.record(index * MS));
        let points = latency.by_percentile();
        let last: Vec<f64> = points[points.len() - 3..].iter().map(|point| point.percentile).collect();
        assert_eq!(last, [99.0, 99.5, 100.0], "of 200 values one lies beyond 99.5 %, none beyond 99.75 %");
        let median = points.iter().find(|point| point.percentile.to_bits() == 50.0_f64.to_bits()).unwrap();
        assert!((median.ms - 100.0).abs() < 0.2 && points.is_sorted_by(|a, b| a.ms <= b.ms), "{points:?}");
    }

    #[test]
    fn merging_is_recording_all_in_one() {
        let (mut first, mut second, mut all) = (Latency::default(), Latency::coarse(), Latency::default());
        for index in 1..=500_u32 {
            let time = Duration::from_micros(u64::from(index * index * 64));
            if index % 3 == 0 {
                first.record(time);
            } else {
                second.record(time);
            }
            all.record(time);
        }
        first.merge(&second);
        for quantile in [0.0, 0.25, 0.5, 0.99, 1.0] {
            let (merged, one) = (first.quantile(quantile).as_secs_f64(), all.quantile(quantile).as_secs_f64());
            assert!((merged - one).abs() <= one * 0.01 + 64e-6, "{quantile}: {merged} {one}");
        }
        assert_eq!(first.count(), 500);
    }
}
