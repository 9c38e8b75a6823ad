//! When calls may start, as the rate changes: arithmetic alone.

use std::time::Duration;

use tokio::time::Instant;

/// How late a call may start without losing its turn: timers are not more exact.
const LATE_MAX: Duration = Duration::from_millis(10);

/// Turns at even distances.
#[derive(Debug)]
pub(super) struct Turns {
    per_second: f64,
    /// What is left until the next turn, in turns: 0 is now.
    due: f64,
    at: Instant,
    on_beat: bool,
}

impl Turns {
    /// Turns that begin at once.
    pub(super) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, due: 0.0, at: now, on_beat: false }
    }

    /// Changes the rate from now on. With `on_beat` unused turns are lost; otherwise one of them waits for who
    /// comes next. The latter is quicker, and lets a minute have one call more.
    pub(super) fn set(&mut self, per_second: f64, on_beat: bool, now: Instant) {
        self.advance(now);
        if on_beat && !self.on_beat {
            // Processes that begin together must not call together.
            self.due = self.due.max(fastrand::f64());
        }
        (self.per_second, self.on_beat) = (per_second, on_beat);
    }

    /// How long until the turn that comes after so many others; `None`: never at this rate.
    pub(super) fn wait(&mut self, others: f64, per_second_at_least: f64, now: Instant) -> Option<Duration> {
        self.advance(now);
        let turns = (self.due + others).max(0.0);
        let rate = self.per_second.max(per_second_at_least);
        if turns == 0.0 { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(turns / rate).ok() }
    }

    /// Takes the turn that is due.
    pub(super) fn take(&mut self, now: Instant) {
        self.advance(now);
        self.due += 1.0;
    }

    fn advance(&mut self, now: Instant) {
        self.due -= self.per_second * (now - self.at).as_secs_f64();
        self.at = now;
        let late_max = self.per_second * LATE_MAX.as_secs_f64();
        if self.due < -late_max {
            self.due = if self.on_beat { self.due.rem_euclid(1.0) } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn wait(turns: &mut Turns, now: Instant) -> Duration {
        turns.wait(0.0, 0.0, now).unwrap()
    }

    #[test]
    fn turns_are_spaced_evenly_and_one_at_most_is_saved_up() {
        let start = Instant::now();
        let mut turns = Turns::new(2.0, start);
        assert_eq!(wait(&mut turns, start), Duration::ZERO);
        turns.take(start);
        assert_eq!(wait(&mut turns, start), SECOND / 2);
        assert_eq!(turns.wait(3.0, 0.0, start), Some(2 * SECOND), "behind three others");
        let later = start + 10 * SECOND;
        assert_eq!(wait(&mut turns, later), Duration::ZERO);
        turns.take(later);
        assert_eq!(wait(&mut turns, later), SECOND / 2);
    }

    #[test]
    fn on_the_beat_no_turn_is_saved_up() {
        let start = Instant::now();
        let mut turns = Turns::new(1.0, start);
        turns.set(1.0, true, start);
        let first = wait(&mut turns, start);
        assert!(first > Duration::ZERO && first < SECOND, "a random phase: {first:?}");
        let missed = start + first + SECOND / 2;
        assert_eq!(wait(&mut turns, missed).as_millis().abs_diff(500), 0);
    }

    #[test]
    fn a_new_rate_counts_for_what_is_left_of_the_wait() {
        let start = Instant::now();
        let mut turns = Turns::new(1.0, start);
        turns.take(start);
        let half = start + SECOND / 2;
        turns.set(10.0, false, half);
        assert_eq!(wait(&mut turns, half), SECOND / 20);
        turns.set(0.0, false, half);
        assert_eq!(turns.wait(0.0, 0.0, half), None);
        assert_eq!(turns.wait(0.0, 1.0, half), Some(SECOND / 2), "as the rate will be at least");
    }
}
