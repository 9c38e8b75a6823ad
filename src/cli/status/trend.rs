//! Whether a queue grows or shrinks, by what was seen of it while it was watched.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Time over which a change is measured: SQS's counts may be a minute old.
const WINDOW: Duration = Duration::from_mins(1);
/// A change by less than this in a second does not count.
const STEADY: f64 = 0.05;

/// Sums of a queue over the last minute.
#[derive(Debug, Default)]
pub(super) struct Trend(VecDeque<(Instant, u64)>);

impl Trend {
    pub(super) fn note(&mut self, now: Instant, messages: u64) {
        self.0.push_back((now, messages));
        // One sample from before the window stays, so that the whole window is measured.
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// Messages a second, negative if it shrinks; none after a single look.
    pub(super) fn per_second(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.0.front()?, self.0.back()?);
        let seconds = to.duration_since(*from).as_secs_f64();
        (seconds > 0.0).then(|| (*after as f64 - *before as f64) / seconds)
    }

    /// How long until it is empty at this pace.
    pub(super) fn drained_in(&self) -> Option<Duration> {
        let (rate, left) = (self.per_second()?, self.0.back()?.1);
        (rate < -STEADY).then(|| Duration::try_from_secs_f64((left as f64 / -rate).ceil()).ok()).flatten()
    }

    pub(super) fn sentence(&self) -> Option<String> {
        let rate = self.per_second()?;
        Some(match self.drained_in() {
            Some(time) => {
                let time = indicatif::HumanDuration(time);
                format!("shrinks by {:.1} a second, empty in about {time}", -rate)
            }
            None if rate > STEADY => format!("grows by {rate:.1} a second"),
            None => "is steady".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_is_that_of_the_last_minute() {
        let (mut trend, start) = (Trend::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        trend.note(at(0), 1_000);
        assert_eq!((trend.per_second(), trend.sentence()), (None, None), "one look tells nothing");
        trend.note(at(10), 1_100);
        assert_eq!(trend.sentence().unwrap(), "grows by 10.0 a second");
        trend.note(at(30), 1_100);
        trend.note(at(90), 500);
        assert_eq!(trend.per_second(), Some(-10.0));
        assert_eq!(trend.sentence().unwrap(), "shrinks by 10.0 a second, empty in about 50 seconds");
        trend.note(at(150), 500);
        assert_eq!(trend.sentence().unwrap(), "is steady");
        assert_eq!(trend.drained_in(), None);
    }
}
