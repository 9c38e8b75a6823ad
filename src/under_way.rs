//! Whether a call to a service is under way for some work, and until when it may be.
//!
//! When a deadline comes, this tells an attempt from a wait: only what reached a service counts as an attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use crate::fault::{Cause, Fault};

/// Shared by the one who waits for some work and those who do its calls.
#[derive(Debug, Clone, Default)]
pub struct UnderWay {
    called: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl UnderWay {
    /// Of work that has to be over by then.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }

    /// When the work has to be over, if it has to.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Runs a call. If this future is dropped, the call counts as under way from then on.
    pub async fn during<F: Future>(&self, call: F) -> F::Output {
        Self::during_for_all(&[self], call).await
    }

    /// As [`during`](Self::during), for all who wait for the same call.
    pub async fn during_for_all<F: Future>(waiting: &[&Self], call: F) -> F::Output {
        let mark = |under_way| {
            for one in waiting {
                one.called.store(under_way, Ordering::Relaxed);
            }
        };
        mark(true);
        let answer = call.await;
        mark(false);
        answer
    }

    /// The fault of work whose deadline came now.
    pub fn late(&self) -> Fault {
        if self.called.load(Ordering::Relaxed) {
            Fault::new(Cause::TimedOut, "the deadline came while a service was being called for the job")
        } else {
            Fault::new(Cause::NotStarted, "the deadline came while the job waited for its turn")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_call_that_was_cut_off_was_an_attempt() {
        let under_way = UnderWay::default();
        assert!(!under_way.late().is_attempt(), "nothing was called");
        under_way.during(async {}).await;
        assert!(!under_way.late().is_attempt(), "the call was answered");
        let mut call = Box::pin(under_way.during(std::future::pending::<()>()));
        assert!(futures_util::poll!(&mut call).is_pending());
        drop(call);
        assert!(under_way.late().is_attempt());
    }
}
