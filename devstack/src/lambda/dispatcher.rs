//! The invocations of one function: waiting for the runtime to ask for work, or being worked on until their deadline.
//!
//! As on Managed Instances a function that passes its deadline is not interrupted: its caller gets an error, the code
//! runs on, and what it answers later is refused.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::function::FunctionError;

type Outcome = Result<Bytes, FunctionError>;

#[derive(Debug)]
pub(super) struct Dispatcher {
    timeout: Duration,
    slot_timeout: Duration,
    state: Mutex<State>,
    /// One permit for each invocation that waits (and for some that were withdrawn).
    arrivals: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    running: HashMap<String, Running>,
    /// Set once no runtime will ever ask for work again.
    closed: Option<FunctionError>,
    counts: Counts,
}

#[derive(Debug)]
struct Waiting {
    request_id: String,
    payload: Bytes,
    started: oneshot::Sender<Instant>,
    done: oneshot::Sender<Outcome>,
}

#[derive(Debug)]
struct Running {
    invocation_id: String,
    done: oneshot::Sender<Outcome>,
}

/// What was dispatched since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) invocations: u64,
    pub(super) in_flight: usize,
    pub(super) max_in_flight: usize,
    pub(super) timeouts: u64,
    pub(super) waiting_slots: usize,
    pub(super) invocation_id_mismatches: u64,
}

/// An invocation handed to the runtime.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) request_id: String,
    /// Of this delivery.
    pub(super) invocation_id: String,
    pub(super) payload: Bytes,
    pub(super) deadline: SystemTime,
}

impl Dispatcher {
    /// `timeout` is the function's: from when the runtime takes an invocation until it must have answered.
    /// `slot_timeout` is how long an invocation waits to be taken, also while the function starts.
    pub(super) fn new(timeout: Duration, slot_timeout: Duration) -> Self {
        Self { timeout, slot_timeout, state: Mutex::default(), arrivals: Semaphore::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the function work on `payload`: waits for a free slot of the runtime, then for the answer.
    pub(super) async fn invoke(&self, payload: Bytes) -> Outcome {
        let request_id = random_id();
        let (started, starts) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        {
            let mut state = self.state();
            if let Some(error) = &state.closed {
                return Err(error.clone());
            }
            state.waiting.push_back(Waiting { request_id: request_id.clone(), payload, started, done });
        }
        self.arrivals.add_permits(1);
        // However this ends, also when the caller gives up: nothing of it stays behind.
        let withdraw = Withdraw { dispatcher: self, request_id: &request_id };
        let gone = || FunctionError::exited(&request_id, "the runtime was stopped");
        let Ok(started) = tokio::time::timeout(self.slot_timeout, starts).await else {
            return Err(FunctionError::Throttled { waited: self.slot_timeout });
        };
        let Ok(deadline) = started else {
            return outcome.await.unwrap_or_else(|_| Err(gone()));
        };
        if let Ok(outcome) = tokio::time::timeout_at(deadline, outcome).await {
            return outcome.unwrap_or_else(|_| Err(gone()));
        }
        drop(withdraw);
        self.state().counts.timeouts += 1;
        Err(FunctionError::TimedOut { request_id, timeout: self.timeout })
    }

    /// The next invocation; its time runs from now on.
    pub(super) async fn next(&self) -> Claimed {
        let _slot = WaitingSlot::of(self);
        loop {
            self.arrivals.acquire().await.expect("the semaphore is never closed").forget();
            let mut state = self.state();
            // Empty if the caller has withdrawn it.
            let Some(Waiting { request_id, payload, started, done }) = state.waiting.pop_front() else { continue };
            if started.send(Instant::now() + self.timeout).is_err() {
                continue;
            }
            let invocation_id = random_id();
            state.running.insert(request_id.clone(), Running { invocation_id: invocation_id.clone(), done });
            state.counts.invocations += 1;
            state.counts.max_in_flight = state.counts.max_in_flight.max(state.running.len());
            let deadline = SystemTime::now() + self.timeout;
            return Claimed { request_id, invocation_id, payload, deadline };
        }
    }

    /// Whether this is the delivery that the invocation went out with. Of one that is not running it says yes: that
    /// is for `finish` to refuse.
    pub(super) fn is_delivery(&self, request_id: &str, invocation_id: &[u8]) -> bool {
        let mut state = self.state();
        let running = state.running.get(request_id);
        let matches = running.is_none_or(|running| running.invocation_id.as_bytes() == invocation_id);
        state.counts.invocation_id_mismatches += u64::from(!matches);
        matches
    }

    /// Ends an invocation with the runtime's answer; false if there is none of this id (any more).
    pub(super) fn finish(&self, request_id: &str, outcome: Outcome) -> bool {
        let Some(running) = self.state().running.remove(request_id) else { return false };
        running.done.send(outcome).is_ok()
    }

    /// The runtime is gone: what it was working on fails, what still waits is for its successor.
    pub(super) fn fail_running(&self, reason: &str) {
        for (request_id, running) in std::mem::take(&mut self.state().running) {
            let _ = running.done.send(Err(FunctionError::exited(&request_id, reason)));
        }
    }

    /// No runtime will come any more: everything fails, now and from now on.
    pub(super) fn close(&self, error: &FunctionError) {
        let mut state = self.state();
        state.closed = Some(error.clone());
        for waiting in std::mem::take(&mut state.waiting) {
            let _ = waiting.done.send(Err(error.clone()));
        }
        for running in std::mem::take(&mut state.running).into_values() {
            let _ = running.done.send(Err(error.clone()));
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state();
        Counts { in_flight: state.running.len(), ..state.counts }
    }
}

/// Counts a waiting `/next`, until it has an invocation or its client is gone.
struct WaitingSlot<'a>(&'a Dispatcher);

impl<'a> WaitingSlot<'a> {
    fn of(dispatcher: &'a Dispatcher) -> Self {
        dispatcher.state().counts.waiting_slots += 1;
        Self(dispatcher)
    }
}

impl Drop for WaitingSlot<'_> {
    fn drop(&mut self) {
        self.0.state().counts.waiting_slots -= 1;
    }
}

struct Withdraw<'a> {
    dispatcher: &'a Dispatcher,
    request_id: &'a str,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        let mut state = self.dispatcher.state();
        if state.running.remove(self.request_id).is_none() {
            state.waiting.retain(|waiting| waiting.request_id != self.request_id);
        }
    }
}

/// A random id in the form of Lambda's.
pub(super) fn random_id() -> String {
    let random: u128 = rand::random();
    let hex = format!("{:032x}", random & !(0xf << 76) | (4 << 76));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn dispatcher(timeout_ms: u64) -> Arc<Dispatcher> {
        Arc::new(Dispatcher::new(Duration::from_millis(timeout_ms), Duration::from_secs(10)))
    }

    fn spawn_invoke(dispatcher: &Arc<Dispatcher>) -> tokio::task::JoinHandle<Outcome> {
        let dispatcher = Arc::clone(dispatcher);
        tokio::spawn(async move { dispatcher.invoke(Bytes::from_static(b"{}")).await })
    }

    #[tokio::test]
    async fn an_answer_reaches_its_caller_once() {
        let dispatcher = dispatcher(10_000);
        let call = spawn_invoke(&dispatcher);
        let claimed = dispatcher.next().await;
        assert_eq!(dispatcher.counts().in_flight, 1);
        assert!(dispatcher.finish(&claimed.request_id, Ok("1".into())));
        assert!(!dispatcher.finish(&claimed.request_id, Ok("2".into())));
        assert_eq!(call.await.unwrap().unwrap(), "1");
        assert_eq!(dispatcher.counts().in_flight, 0);
    }

    #[tokio::test]
    async fn time_runs_from_when_the_runtime_takes_an_invocation() {
        let dispatcher = dispatcher(100);
        let call = spawn_invoke(&dispatcher);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!call.is_finished());
        let claimed = dispatcher.next().await;
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, FunctionError::TimedOut { .. }), "{error}");
        assert!(!dispatcher.finish(&claimed.request_id, Ok("late".into())));
        assert_eq!(dispatcher.counts().timeouts, 1);
        assert_eq!(dispatcher.counts().in_flight, 0);
    }

    #[tokio::test]
    async fn when_the_runtime_dies_only_what_it_had_fails() {
        let dispatcher = dispatcher(10_000);
        let (one, two) = (spawn_invoke(&dispatcher), spawn_invoke(&dispatcher));
        dispatcher.next().await;
        dispatcher.fail_running("exit status: 1");
        let successor = dispatcher.next().await;
        assert!(dispatcher.finish(&successor.request_id, Ok("ok".into())));
        let outcomes = [one.await.unwrap(), two.await.unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let error = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).unwrap();
        assert!(error.payload().contains("Runtime exited with error: exit status: 1"), "{}", error.payload());
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_leaves_nothing_for_the_runtime() {
        let dispatcher = dispatcher(10_000);
        let call = spawn_invoke(&dispatcher);
        while dispatcher.arrivals.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        let other = spawn_invoke(&dispatcher);
        let claimed = dispatcher.next().await;
        assert!(dispatcher.finish(&claimed.request_id, Ok("other".into())));
        assert_eq!(other.await.unwrap().unwrap(), "other");
        assert_eq!(dispatcher.counts().invocations, 1);
    }

    #[tokio::test]
    async fn after_closing_everything_fails_at_once() {
        let dispatcher = dispatcher(10_000);
        let call = spawn_invoke(&dispatcher);
        while dispatcher.arrivals.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        dispatcher.close(&FunctionError::exited("-", "gave up"));
        assert!(call.await.unwrap().is_err());
        assert!(dispatcher.invoke(Bytes::new()).await.is_err());
    }

    #[tokio::test]
    async fn an_invocation_that_nobody_takes_is_throttled_in_the_end() {
        let dispatcher = Dispatcher::new(Duration::from_secs(10), Duration::from_millis(50));
        let error = dispatcher.invoke(Bytes::new()).await.unwrap_err();
        assert!(matches!(error, FunctionError::Throttled { .. }), "{error}");
        assert!(dispatcher.state().waiting.is_empty());
    }

    #[test]
    fn request_ids_look_like_lambdas() {
        let id = random_id();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');
        assert_ne!(id, random_id());
    }
}
