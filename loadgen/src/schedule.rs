//! When each job is meant to be sent: a function of its number alone.
//!
//! No instant depends on the one before it or on when anything was really sent, so errors cannot add up.

use std::time::Duration;

/// Highest rate that can be asked for, jobs a second.
pub(crate) const RPS_MAX: f64 = 100_000.0;

/// A constant rate for a length of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    rps: f64,
    duration: Duration,
}

impl Schedule {
    /// `rps` jobs a second, above 0, over `duration`.
    pub(crate) fn constant(rps: f64, duration: Duration) -> Self {
        Self { rps, duration }
    }

    /// How many jobs there are: those with an instant before the end.
    pub(crate) fn len(&self) -> u64 {
        // A product that should be whole can come out a little above it.
        (self.rps * self.duration.as_secs_f64() - 1e-6).ceil().max(1.0) as u64
    }

    /// Time from the start to the intended instant of job `index`.
    pub(crate) fn offset(&self, index: u64) -> Duration {
        Duration::from_secs_f64(index as f64 / self.rps)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_hour_at_an_awkward_rate_does_not_drift() {
        let schedule = Schedule::constant(333.0, Duration::from_hours(1));
        assert_eq!(schedule.len(), 1_198_800);
        for seconds in [1, 60, 3_599] {
            let late = schedule.offset(seconds * 333).abs_diff(Duration::from_secs(seconds));
            assert!(late <= Duration::from_nanos(1), "{late:?} off after {seconds} s");
        }
    }

    #[test]
    fn the_number_of_jobs_is_rate_times_duration() {
        for (rps, seconds, jobs) in [
            (100.0, 30.0, 3_000),
            (0.1, 30.0, 3),
            (2_000.0, 0.1, 200),
            (1.0 / 3.0, 9.0, 3),
            (2.5, 1.0, 3),
            (0.5, 1.0, 1),
        ] {
            assert_eq!(Schedule::constant(rps, Duration::from_secs_f64(seconds)).len(), jobs, "{rps} x {seconds} s");
        }
    }

    proptest! {
        #[test]
        fn instants_are_evenly_spaced_and_end_before_the_duration(rps in 0.01..5_000.0, seconds in 0.01..7_200.0, at in 0.0..1.0) {
            let schedule = Schedule::constant(rps, Duration::from_secs_f64(seconds));
            let last = schedule.len() - 1;
            let index = (last as f64 * at) as u64;
            let gap = schedule.offset(index + 1).as_secs_f64() - schedule.offset(index).as_secs_f64();
            prop_assert!((gap - 1.0 / rps).abs() < 3e-9);
            prop_assert!(schedule.offset(last).as_secs_f64() < seconds);
        }
    }
}
