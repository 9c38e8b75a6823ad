//! Faults of the Runtime API that a test switches on: what a network or Lambda itself does to a function now and then.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// What a call of the Runtime API meets in the place of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFault {
    /// `/next` answers 500 and hands out nothing; also each one that waits already.
    NextInternalError,
    /// `/next` hands out an invocation, but the connection ends in the middle of the body. The stand-in holds it for
    /// delivered, as Lambda does: it times out.
    NextCut,
    /// The connection is reset after the function has posted an answer or an error.
    PostReset {
        /// Whether what was posted counts.
        taken: bool,
    },
    /// A post is answered 413, and its invocation fails as if the answer had been too large.
    PostTooLarge,
    /// A post is answered 500 and does not count.
    PostInternalError,
}

impl RuntimeFault {
    pub(super) fn is_of_post(self) -> bool {
        matches!(self, Self::PostReset { .. } | Self::PostTooLarge | Self::PostInternalError)
    }
}

/// The faults of one function's Runtime API, which outlive its processes.
#[derive(Debug)]
pub struct RuntimeFaults {
    plan: watch::Sender<Option<Plan>>,
    listening: watch::Sender<bool>,
    met: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: RuntimeFault,
    /// None has no end.
    calls_left: Option<u64>,
}

impl RuntimeFaults {
    pub(super) fn new() -> Self {
        Self { plan: watch::Sender::new(None), listening: watch::Sender::new(true), met: AtomicU64::new(0) }
    }

    /// Every call that this fault is about meets it from now on, in the place of any set before; `None` ends it.
    pub fn set(&self, fault: Option<RuntimeFault>) {
        self.plan.send_replace(fault.map(|fault| Plan { fault, calls_left: None }));
    }

    /// The next `calls` that this fault is about meet it, in the place of any set before.
    pub fn fail_next(&self, calls: u64, fault: RuntimeFault) {
        self.plan.send_replace((calls > 0).then_some(Plan { fault, calls_left: Some(calls) }));
    }

    /// Resets all connections of the process that runs now, those of waiting `/next` too, and refuses new ones. A
    /// process that is started meanwhile has a Runtime API of its own, which listens.
    pub fn pause_listener(&self) {
        self.listening.send_replace(false);
    }

    /// Listens again, on the same port.
    pub fn resume_listener(&self) {
        self.listening.send_replace(true);
    }

    pub(super) fn listening(&self) -> watch::Receiver<bool> {
        self.listening.subscribe()
    }

    /// How many calls have met a fault.
    pub(super) fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    /// The fault that this call meets, if one of those that it is about is set.
    pub(super) fn meet(&self, is_about: impl Fn(RuntimeFault) -> bool) -> Option<RuntimeFault> {
        let mut met = None;
        self.plan.send_if_modified(|plan| {
            let Some(current) = plan.filter(|plan| is_about(plan.fault)) else { return false };
            met = Some(current.fault);
            let Some(left) = current.calls_left else { return false };
            *plan = (left > 1).then_some(Plan { calls_left: Some(left - 1), ..current });
            true
        });
        self.met.fetch_add(u64::from(met.is_some()), Ordering::Relaxed);
        met
    }

    /// Waits until this call of `/next` is to fail.
    pub(super) async fn next_fails(&self) {
        let is_about = |fault| fault == RuntimeFault::NextInternalError;
        let mut plan = self.plan.subscribe();
        // Several may be woken for one: who comes too late waits on.
        while self.meet(is_about).is_none() {
            // Cannot fail: the sender lives as long as `self`.
            let _ = plan.changed().await;
        }
    }
}
