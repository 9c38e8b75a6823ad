//! How long jobs wait, from what came and what was answered in each second: first in, first out.

use std::ops::Range;

/// Times of some jobs, end to end, seconds; none if none came, or they were not answered.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Times {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) max: Option<f64>,
}

/// Jobs that came and that were answered, up to the end of each second.
pub(super) struct Waits {
    came: Vec<f64>,
    answered: Vec<f64>,
    service: f64,
}

impl Waits {
    /// `service` is what a job takes that need not wait.
    pub(super) fn new(seconds: impl Iterator<Item = (f64, f64)>, service: f64) -> Self {
        let (mut came, mut answered) = (vec![0.0], vec![0.0]);
        for (rate, done) in seconds {
            came.push(came[came.len() - 1] + rate);
            answered.push(answered[answered.len() - 1] + done);
        }
        Self { came, answered, service }
    }

    /// Times of the jobs that came in these seconds. A job that has no answer counts as the longest.
    pub(super) fn of(&self, seconds: Range<usize>) -> Times {
        let waits: Vec<(f64, f64)> = seconds
            .filter_map(|second| {
                let mass = self.came[second + 1] - self.came[second];
                let middle = f64::midpoint(self.came[second], self.came[second + 1]);
                (mass > 0.0).then(|| (self.wait(second as f64 + 0.5, middle), mass))
            })
            .collect();
        let all: f64 = waits.iter().map(|(_, mass)| mass).sum();
        let mut sorted = waits;
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let percentile = |share: f64| {
            let mut sum = 0.0;
            let found = sorted.iter().find(|(_, mass)| {
                sum += mass;
                sum >= share * all * (1.0 - 1e-12)
            });
            found.map(|(wait, _)| wait + self.service).filter(|time| time.is_finite())
        };
        Times { p50: percentile(0.5), p99: percentile(0.99), max: percentile(1.0) }
    }

    /// How long the job at this place has to wait, if it came at that time.
    fn wait(&self, came: f64, place: f64) -> f64 {
        let second = self.answered.partition_point(|answered| *answered < place * (1.0 - 1e-12));
        if second >= self.answered.len() {
            return f64::INFINITY;
        }
        let (before, after) = (self.answered[second.saturating_sub(1)], self.answered[second]);
        let share = if after > before { (place - before) / (after - before) } else { 1.0 };
        (second.saturating_sub(1) as f64 + share - came).max(0.0)
    }

    /// How long the oldest job that has no answer at the end of so many seconds has waited.
    pub(super) fn oldest(&self, second: usize) -> f64 {
        let answered = self.answered[second];
        if answered >= self.came[second] * (1.0 - 1e-9) {
            return 0.0;
        }
        let came = self.came.partition_point(|came| *came <= answered);
        (second as f64 - came as f64 + 1.0).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_answered_at_once_takes_the_service_s_time() {
        let waits = Waits::new([(10.0, 10.0); 60].into_iter(), 0.2);
        let times = waits.of(0..60);
        assert_eq!((times.p50, times.p99, times.max), (Some(0.2), Some(0.2), Some(0.2)));
        assert!(waits.oldest(60).abs() < 1e-9);
    }

    #[test]
    fn a_backlog_is_waited_for_in_turn() {
        // A hundred jobs at once, ten answered each second.
        let seconds = (0..10).map(|second| (if second == 0 { 100.0 } else { 0.0 }, 10.0));
        let waits = Waits::new(seconds, 0.0);
        // All of them came in the first second; the middle one has its turn after five.
        assert!((waits.of(0..1).p50.unwrap() - 4.5).abs() < 1e-9);
        assert!((waits.oldest(5) - 5.0).abs() <= 1.0, "{}", waits.oldest(5));
    }

    #[test]
    fn a_job_that_is_never_answered_is_the_longest() {
        let waits = Waits::new([(10.0, 10.0), (10.0, 0.0)].into_iter(), 0.1);
        let times = waits.of(0..2);
        assert_eq!((times.p50, times.p99, times.max), (Some(0.1), None, None));
    }
}
