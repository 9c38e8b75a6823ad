//! What happened when: one interval a second, for runs of more than an hour as many seconds as keep memory bounded.
//!
//! Rates stand where they happened. End-to-end times, and what became of a job, stand in the interval in which the job
//! was *meant* to be sent: a pause of the worker shows as what it did to those who came in it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;

/// Most intervals of a run as planned.
const INTERVALS_MAX: u32 = 3_600;

/// Depths of the queue at one moment, as SQS reports them: approximate on AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct QueueDepth {
    /// Messages that wait to be received.
    pub visible: u64,
    /// Messages that were received and are not deleted yet.
    pub in_flight: u64,
    /// Messages that may not be received yet.
    pub delayed: u64,
    /// Messages in the dead-letter queue; absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<u64>,
}

impl QueueDepth {
    /// All that is left to be worked on.
    pub(crate) fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// What happened in one interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Point {
    /// When it began, from the start of the run.
    pub second: f64,
    /// Rate that was asked for, jobs a second.
    pub asked_rps: f64,
    /// Messages whose send instant came.
    pub intended: u64,
    /// Of those, how many were dropped.
    pub dropped: u64,
    /// Messages that the queue accepted.
    pub sent: u64,
    /// Messages that were given up on.
    pub send_failed: u64,
    /// Records that were seen for the first time.
    pub completed: u64,
    /// Request ids meant to be sent in it that are lost.
    pub lost: u64,
    /// Request ids meant to be sent in it that have a wrong record.
    pub wrong: u64,
    /// Attempts at sending a message, and look-ups, that failed in it: throttled, refused, timed out.
    pub errors: u64,
    /// What the last of them was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Longest schedule lag of what was meant to be sent in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_lag_max_ms: Option<f64>,
    /// Longest send time of what was meant to be sent in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_max_ms: Option<f64>,
    /// End-to-end times of what was meant to be sent in it, to two digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_to_end_ms: Option<PointLatency>,
    /// The queue's depths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueDepth>,
    /// In its middle: request ids whose record was looked for and not seen yet.
    pub pending: u64,
    /// For how long the oldest of them had been due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_pending_seconds: Option<f64>,
    /// Jobs meant to be sent in it that have a late record.
    #[serde(skip)]
    pub late: u64,
    /// What `end_to_end_ms` is made from.
    #[serde(skip)]
    pub latency: Option<Latency>,
}

/// A few percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PointLatency {
    /// How many times were measured.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 90 of 100 were at most this long.
    pub p90: f64,
    /// 99 of 100 were at most this long.
    pub p99: f64,
    /// The longest one.
    pub max: f64,
}

/// The intervals of a run, in order.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    length: Duration,
    points: Vec<Point>,
}

impl Default for Series {
    fn default() -> Self {
        Self::new(Duration::ZERO)
    }
}

impl Series {
    /// For a run that is to take `planned`.
    pub(crate) fn new(planned: Duration) -> Self {
        let seconds = planned.as_secs().div_ceil(u64::from(INTERVALS_MAX)).max(1);
        Self { length: Duration::from_secs(seconds), points: Vec::new() }
    }

    /// How long an interval is.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    /// The interval of an instant, from the start of the run.
    pub(crate) fn at(&mut self, instant: Duration) -> &mut Point {
        let index = (instant.as_nanos() / self.length.as_nanos()) as usize;
        if self.points.len() <= index {
            self.points.resize_with(index + 1, Point::default);
        }
        &mut self.points[index]
    }

    /// The distributions over the intervals that lie between `from` and `to`, in `parts` of as equal a length as can be;
    /// fewer if there are not as many intervals.
    pub(crate) fn end_to_end(&self, from: Duration, to: Duration, parts: usize) -> Vec<Latency> {
        let within = |index: &usize| self.length * *index as u32 >= from && self.length * (*index as u32 + 1) <= to;
        let chosen: Vec<&Point> = (0..self.points.len()).filter(within).map(|index| &self.points[index]).collect();
        let parts = parts.min(chosen.len());
        let merged = |part: usize| {
            let mut merged = Latency::coarse();
            let members = &chosen[part * chosen.len() / parts..(part + 1) * chosen.len() / parts];
            members.iter().filter_map(|interval| interval.latency.as_ref()).for_each(|one| merged.merge(one));
            merged
        };
        (0..parts).map(merged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn intervals_are_a_second_long_up_to_an_hour_and_their_number_is_bounded() {
        for (hours, seconds) in [(0, 1), (1, 1), (2, 2), (24, 24)] {
            assert_eq!(Series::new(Duration::from_hours(hours)).length(), seconds * SECOND);
        }
        let mut series = Series::new(5 * SECOND);
        series.at(2 * SECOND + SECOND / 2).sent += 1;
        series.at(SECOND / 2).sent += 2;
        assert_eq!(series.points().iter().map(|interval| interval.sent).collect::<Vec<_>>(), [2, 0, 1]);
    }

    #[test]
    fn parts_of_a_stretch_are_merged() {
        let mut series = Series::new(10 * SECOND);
        for second in 0..10_u32 {
            let latency = series.at(SECOND * second).latency.get_or_insert_with(Latency::coarse);
            (0..=second).for_each(|_| latency.record(SECOND));
        }
        let counts = |from, to, parts| -> Vec<u64> {
            series.end_to_end(SECOND * from, SECOND * to, parts).iter().map(Latency::count).collect()
        };
        assert_eq!(counts(2, 6, 2), [3 + 4, 5 + 6]);
        assert_eq!(counts(0, 5, 2), [1 + 2, 3 + 4 + 5]);
        assert_eq!(counts(0, 3, 10), [1, 2, 3]);
        let half = |seconds: u32| SECOND * seconds + SECOND / 2;
        assert_eq!(series.end_to_end(half(0), half(3), 1)[0].count(), 2 + 3, "only whole intervals");
        assert_eq!(counts(0, 99, 1), [55]);
        assert_eq!(counts(50, 99, 4), [0; 0]);
    }
}
