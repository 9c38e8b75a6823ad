//! The queue of calls waiting for their turn.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Line, Notify};
use tokio::time::{Instant, sleep_until};

use super::turns::Turns;

/// Longest time until who waits looks again.
const LONGEST_LOOK: Duration = Duration::from_hours(1);

/// Lets calls start one after the other, at a rate that may change while they wait.
#[derive(Debug)]
pub(super) struct Pacer {
    state: Mutex<State>,
    /// First come, first served; who leaves gives up nothing but a place.
    line: Line<()>,
    /// Texts that wait for a call.
    waiting: Arc<AtomicUsize>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// `None`: there is no limit.
    turns: Option<Turns>,
    /// What the rate can be expected to be in some seconds, at least.
    soon_per_second: f64,
}

/// The turn comes after the deadline, by as much time from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLate(pub(super) Duration);

/// A rate at which calls start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Calls in a second.
    pub(super) per_second: f64,
    /// What it can be expected to be in some seconds, at least.
    pub(super) soon_per_second: f64,
    /// Whether unused turns are lost.
    pub(super) on_beat: bool,
}

impl Rate {
    /// A rate of this process's own.
    pub(super) fn own(per_second: f64) -> Self {
        Self { per_second, soon_per_second: per_second, on_beat: false }
    }
}

impl Pacer {
    /// Without a rate there is no limit.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        let state = State { turns: None, soon_per_second: 0.0 };
        let pacer =
            Self { state: Mutex::new(state), line: Line::default(), waiting: Arc::default(), changed: Notify::new() };
        pacer.set(rate);
        pacer
    }

    /// Changes the rate, for those who wait too.
    pub(super) fn set(&self, rate: Option<Rate>) {
        let now = Instant::now();
        let mut state = self.state();
        match (&mut state.turns, rate) {
            (Some(turns), Some(rate)) => turns.set(rate.per_second, rate.on_beat, now),
            (turns, Some(rate)) => {
                let mut begun = Turns::new(rate.per_second, now);
                begun.set(rate.per_second, rate.on_beat, now);
                *turns = Some(begun);
            }
            (turns, None) => *turns = None,
        }
        state.soon_per_second = rate.map_or(0.0, |rate| rate.soon_per_second);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether calls wait for turns at all.
    pub(super) fn is_limited(&self) -> bool {
        self.state().turns.is_some()
    }

    /// Texts that wait for a call.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place for a text behind all that wait.
    ///
    /// # Errors
    /// Its turn would come after `deadline`, as `texts_max` of them share a call.
    pub(super) fn join(&self, texts_max: usize, deadline: Option<Instant>) -> Result<Place, TooLate> {
        let calls_before = self.waiting() / texts_max;
        self.in_time(calls_before as f64, deadline)?;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(Place { waiting: Arc::clone(&self.waiting), left: AtomicBool::new(false) })
    }

    /// Waits for a turn to make a call.
    ///
    /// # Errors
    /// It comes after `deadline`.
    pub(super) async fn turn(&self, deadline: Option<Instant>) -> Result<(), TooLate> {
        if !self.is_limited() {
            return Ok(());
        }
        let _first = self.line.lock().await;
        loop {
            let changed = self.changed.notified();
            let wait = self.take_or_wait();
            if wait == Duration::ZERO {
                return Ok(());
            }
            self.in_time(0.0, deadline)?;
            let turn = Instant::now() + wait;
            tokio::select! {
                () = sleep_until(turn) => {}
                () = changed => {}
            }
        }
    }

    /// Takes the turn if it is now; how long it has to be waited for otherwise.
    fn take_or_wait(&self) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        let Some(turns) = &mut state.turns else { return Duration::ZERO };
        let wait = turns.wait(0.0, 0.0, now);
        if wait == Some(Duration::ZERO) {
            turns.take(now);
        }
        // At a rate of nothing it comes only after a change.
        wait.map_or(LONGEST_LOOK, |wait| wait.min(LONGEST_LOOK))
    }

    fn in_time(&self, calls_before: f64, deadline: Option<Instant>) -> Result<(), TooLate> {
        let Some(deadline) = deadline else { return Ok(()) };
        let now = Instant::now();
        let mut state = self.state();
        let soon = state.soon_per_second;
        let Some(turns) = &mut state.turns else { return Ok(()) };
        match turns.wait(calls_before, soon, now) {
            Some(wait) if now + wait <= deadline => Ok(()),
            wait => Err(TooLate(wait.unwrap_or(Duration::MAX))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text's place in the line, until it leaves.
#[derive(Debug)]
pub(in crate::embed) struct Place {
    waiting: Arc<AtomicUsize>,
    left: AtomicBool,
}

impl Place {
    /// Leaves the line, for a call or for good.
    pub(in crate::embed) fn leave(&self) {
        if !self.left.swap(true, Ordering::Relaxed) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;
    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn calls_are_spaced_evenly() {
        let pacer = Pacer::new(Some(Rate::own(10.0)));
        let start = Instant::now();
        for _ in 0..5 {
            pacer.turn(None).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::from_millis(400));
        advance(10 * SECOND).await;
        let start = Instant::now();
        pacer.turn(None).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "unused turns are not saved up, and not owed");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_follows_a_change_of_the_rate() {
        let pacer = Pacer::new(Some(Rate::own(0.0)));
        let start = Instant::now();
        pacer.turn(None).await.unwrap();
        let change = async {
            advance(SECOND).await;
            pacer.set(Some(Rate::own(0.5)));
            advance(SECOND).await;
            pacer.set(None);
        };
        let (waited, ()) = join(pacer.turn(None), change).await;
        assert_eq!((waited, start.elapsed()), (Ok(()), 2 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_after_the_deadline_is_refused_at_once() {
        let pacer = Pacer::new(Some(Rate::own(1.0)));
        let start = Instant::now();
        let deadline = Some(start + 5 * SECOND);
        pacer.turn(deadline).await.unwrap();
        let places: Vec<_> = (0..5).map(|_| pacer.join(1, deadline).unwrap()).collect();
        assert_eq!(pacer.join(1, deadline).unwrap_err(), TooLate(6 * SECOND));
        assert!(pacer.join(96, deadline).is_ok(), "they share a call");
        drop(places);
        assert!(pacer.join(1, deadline).is_ok(), "those before it have left");
        assert_eq!(pacer.turn(Some(start)).await, Err(TooLate(SECOND)));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_does_not_waste_a_turn() {
        let pacer = Pacer::new(Some(Rate::own(1.0)));
        pacer.turn(None).await.unwrap();
        assert!(timeout(SECOND / 2, pacer.turn(None)).await.is_err());
        let start = Instant::now();
        pacer.turn(None).await.unwrap();
        assert_eq!(start.elapsed(), SECOND / 2);
    }
}
