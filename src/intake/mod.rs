//! How messages come and go: through Lambda's event source mapping, or by polling the queue itself.
//!
//! Both intakes hand batches to the same worker (`start`) and carry its outcomes out in the same way (`settle`), by
//! the same [`policy`]. [`Queue`] is the boundary to the queues, which operators look into by [`Inspect`];
//! [`Invocations`] is that to Lambda, whose Runtime API [`runtime`] speaks.

mod attempt;
mod breaker;
mod deletions;
mod inspect;
mod invocations;
pub mod lambda;
mod letter;
mod memory;
mod memory_lambda;
mod payload;
pub mod policy;
pub mod poller;
mod queue;
pub mod runtime;
mod settle;
mod slots;
mod start;
#[cfg(test)]
mod tests;

pub use inspect::{Inspect, QueueState, Redrive};
pub use invocations::{Answer, ApiError, FunctionError, Invocation, Invocations};
pub use letter::{CODE_ATTRIBUTE, LETTER_EXTRA_BYTES, Letter, REASON_ATTRIBUTE};
pub use memory::MemoryQueue;
pub use memory_lambda::MemoryLambda;
pub use payload::sent_at;
pub use queue::{Attribute, AttributeValue, BATCH_MAX, Delivery, Failures, MESSAGE_MAX_BYTES, Outgoing, Queue};
pub use start::{IntakeError, Services, Settings};
