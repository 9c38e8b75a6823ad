//! What an operator's commands need of a queue beyond what a worker does.

use std::time::Duration;

use super::letter::Letter;
use super::queue::Queue;
use crate::fault::Fault;

/// How full a queue is, by its own approximate counts, and what it does with what is received too often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that can be received.
    pub waiting: u64,
    /// Messages that were received and neither deleted nor given back.
    pub in_flight: u64,
    /// Messages that were sent with a delay that is not over.
    pub delayed: u64,
    /// Its redrive policy.
    pub redrive: Option<Redrive>,
}

impl QueueState {
    /// Messages in it, whatever they wait for.
    pub fn total(&self) -> u64 {
        self.waiting + self.in_flight + self.delayed
    }
}

/// A redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Receives after which the next one moves a message instead.
    pub max_receive_count: u32,
    /// ARN of the queue where it goes.
    pub target: String,
}

/// A queue that can be looked into.
///
/// Looking is receiving: it counts as a receive of each message, and hides it from everybody else until its visibility
/// ends or is changed.
pub trait Inspect: Queue {
    /// How full it is.
    ///
    /// # Errors
    /// See [`Queue`].
    fn state(&self) -> impl Future<Output = Result<QueueState, Fault>> + Send;

    /// As [`Queue::receive`], with everything that came with the messages.
    ///
    /// # Errors
    /// See [`Queue`].
    fn look(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Letter>, Fault>> + Send;
}
