//! How fast this process calls a model: the limits, and what the service says to its calls.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::own::Own;
use super::pacer::{Pacer, Place, Rate, TooLate};
use super::shares::Report;
use crate::embed::limits::Limits;
use crate::fault::{Cause, Fault};

/// From one look at what was refused to the next.
const ROUND: Duration = Duration::from_secs(5);
/// The same if there were few calls.
const ROUND_MAX: Duration = Duration::from_secs(30);
/// Calls that are few.
const ROUND_CALLS: u64 = 100;

/// The pace of a model's calls, for all that embed with it.
#[derive(Debug)]
pub(in crate::embed) struct Pace {
    model: String,
    pacer: Pacer,
    /// Calls in a minute of this process, whatever others do.
    own_limit: Option<u32>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    calls: u64,
    refused: u64,
    since: Instant,
    /// `None`: the fleet decides.
    own: Option<Own>,
    /// Share of the limit that is used.
    used: f64,
}

impl Pace {
    /// Of this process alone.
    pub(in crate::embed) fn own(model: &str, limits: Limits) -> Self {
        let own = Own::new(limits.requests_per_minute);
        let pacer = Pacer::new(own.per_second().map(Rate::own));
        Self::new(model, limits, pacer, Some(own))
    }

    /// That follows a fleet, and has this rate until it does.
    pub(super) fn following(model: &str, limits: Limits, until_then: Rate) -> Self {
        Self::new(model, limits, Pacer::new(Some(until_then)), None)
    }

    fn new(model: &str, limits: Limits, pacer: Pacer, own: Option<Own>) -> Self {
        let state = State { calls: 0, refused: 0, since: Instant::now(), own, used: 1.0 };
        let own_limit = limits.requests_per_minute;
        Self { model: model.to_owned(), pacer, own_limit, state: Mutex::new(state) }
    }

    /// As it was before calls slowed down, to compare with.
    #[cfg(test)]
    pub(super) fn rigid(per_minute: Option<u32>) -> Self {
        let limits = Limits { requests_per_minute: per_minute, ..Limits::default() };
        let pacer = Pacer::new(per_minute.map(|calls| Rate::own(f64::from(calls) / 60.0)));
        Self::new("", limits, pacer, None)
    }

    /// Whether calls have turns, so that a refused one need not pause by itself.
    pub(in crate::embed) fn has_turns(&self) -> bool {
        self.pacer.is_limited()
    }

    /// A place for a text behind all that wait for a call.
    ///
    /// # Errors
    /// Its turn comes after the deadline.
    pub(in crate::embed) fn join(&self, texts_max: usize, deadline: Option<Instant>) -> Result<Place, Fault> {
        self.pacer.join(texts_max, deadline).map_err(too_late)
    }

    /// Waits for a turn to make a call.
    ///
    /// # Errors
    /// It comes after the deadline.
    pub(in crate::embed) async fn turn(&self, deadline: Option<Instant>) -> Result<(), Fault> {
        self.pacer.turn(deadline).await.map_err(too_late)
    }

    /// Takes note of a call that was made.
    pub(in crate::embed) fn note<T>(&self, answer: &Result<T, Fault>) {
        let mut state = self.state();
        state.calls += 1;
        state.refused += u64::from(answer.as_ref().is_err_and(|fault| fault.cause == Cause::Throttled));
        let (calls, refused, elapsed) = (state.calls, state.refused, state.since.elapsed());
        // Where nothing is refused, few calls say enough.
        let over = elapsed >= ROUND && (refused == 0 || calls >= ROUND_CALLS || elapsed >= ROUND_MAX);
        let Some(own) = state.own.as_mut().filter(|_| over) else { return };
        own.round(calls, refused, elapsed);
        let (used, rate) = (own.used(), own.per_second().map(Rate::own));
        (state.calls, state.refused, state.since) = (0, 0, Instant::now());
        drop(state);
        self.pacer.set(rate);
        self.log(used, rate.map(|rate| rate.per_second * 60.0));
    }

    /// What happened since the last report that was handed on.
    pub(super) fn report(&self) -> Report {
        let state = self.state();
        let waiting = self.pacer.waiting();
        Report { calls: state.calls, refused: state.refused, waiting, elapsed: state.since.elapsed() }
    }

    /// A report was handed on: what it says is not reported again.
    pub(super) fn reported(&self, report: Report) {
        let mut state = self.state();
        state.calls -= report.calls;
        state.refused -= report.refused;
        state.since += report.elapsed;
    }

    /// Calls at the rate that the fleet leaves it, in calls a minute, from now on.
    pub(super) fn follow(&self, share: f64, soon: f64, on_beat: bool, used: f64) {
        let own = self.own_limit.map_or(f64::INFINITY, f64::from);
        let per_second = |per_minute: f64| per_minute.min(own) / 60.0;
        self.pacer.set(Some(Rate { per_second: per_second(share), soon_per_second: per_second(soon), on_beat }));
        self.log(used, Some(share));
    }

    /// One line when calls begin to slow down, and one when they do no more.
    fn log(&self, used: f64, per_minute: Option<f64>) {
        let before = std::mem::replace(&mut self.state().used, used);
        let (model, requests_per_minute) = (&self.model, per_minute.map(f64::round));
        if used < 1.0 && before >= 1.0 {
            tracing::warn!(
                event = "embedding_slowed",
                model,
                requests_per_minute,
                "the service is throttling calls: they slow down until it accepts them"
            );
        } else if used >= 1.0 && before < 1.0 {
            tracing::info!(
                event = "embedding_recovered",
                model,
                requests_per_minute,
                "calls are no longer slowed down"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_late(TooLate(wait): TooLate) -> Fault {
    Fault::wait("the job's turn to call the embedding model would come after the deadline", wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_after_the_deadline_is_a_wait_and_no_attempt() {
        let pace = Pace::own("m", Limits { requests_per_minute: Some(1), ..Limits::default() });
        pace.turn(None).await.unwrap();
        let fault = pace.join(1, Some(Instant::now() + Duration::from_secs(30))).unwrap_err();
        assert!(!fault.is_attempt());
        assert_eq!(fault.wait, Some(Duration::from_mins(1)));
    }
}
