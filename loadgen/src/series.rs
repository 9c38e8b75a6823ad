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

/// One interval.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interval {
    /// Jobs whose send instant came.
    pub intended: u64,
    pub dropped: u64,
    /// Messages that the queue accepted in it.
    pub sent: u64,
    pub send_failed: u64,
    /// Records first seen in it.
    pub completed: u64,
    /// Jobs meant to be sent in it that are lost, or have a wrong or a late record.
    pub lost: u64,
    pub wrong: u64,
    pub late: u64,
    /// Attempts at sending a job, and look-ups of records, that failed in it.
    pub errors: u64,
    /// What the last of them was told.
    pub last_error: Option<String>,
    /// Longest schedule lag and send time of jobs meant to be sent in it.
    pub schedule_lag_max: Option<Duration>,
    pub send_max: Option<Duration>,
    /// Of jobs meant to be sent in it.
    pub end_to_end: Option<Latency>,
    /// The last sample taken in it.
    pub queue: Option<QueueDepth>,
    /// When it was last looked at: sent jobs whose record was not seen, and for how long the oldest of them has been due.
    pub pending: u64,
    pub oldest_pending: Option<Duration>,
}

/// The intervals of a run, in order.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    length: Duration,
    intervals: Vec<Interval>,
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
        Self { length: Duration::from_secs(seconds), intervals: Vec::new() }
    }

    /// How long an interval is.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    pub(crate) fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// The interval of an instant, from the start of the run.
    pub(crate) fn at(&mut self, instant: Duration) -> &mut Interval {
        let index = (instant.as_nanos() / self.length.as_nanos()) as usize;
        if self.intervals.len() <= index {
            self.intervals.resize_with(index + 1, Interval::default);
        }
        &mut self.intervals[index]
    }

    /// The distributions over the intervals that lie between `from` and `to`, in `parts` of as equal a length as can be;
    /// fewer if there are not as many intervals.
    pub(crate) fn end_to_end(&self, from: Duration, to: Duration, parts: usize) -> Vec<Latency> {
        let within = |index: &usize| self.length * *index as u32 >= from && self.length * (*index as u32 + 1) <= to;
        let chosen: Vec<&Interval> =
            (0..self.intervals.len()).filter(within).map(|index| &self.intervals[index]).collect();
        let parts = parts.min(chosen.len());
        let merged = |part: usize| {
            let mut merged = Latency::coarse();
            let members = &chosen[part * chosen.len() / parts..(part + 1) * chosen.len() / parts];
            members.iter().filter_map(|interval| interval.end_to_end.as_ref()).for_each(|one| merged.merge(one));
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
        assert_eq!(series.intervals().iter().map(|interval| interval.sent).collect::<Vec<_>>(), [2, 0, 1]);
    }

    #[test]
    fn parts_of_a_stretch_are_merged() {
        let mut series = Series::new(10 * SECOND);
        for second in 0..10_u32 {
            let latency = series.at(SECOND * second).end_to_end.get_or_insert_with(Latency::coarse);
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
