//! How messages come and go: through Lambda's event source mapping, or by polling the queue itself.
//!
//! Both intakes hand batches to the same worker ([`start`]) and carry its outcomes out in the same way ([`settle`]), by
//! the same [`policy`]. [`Queue`] is the boundary to the queues; [`runtime`] speaks Lambda's Runtime API.

mod breaker;
pub mod lambda;
mod memory;
mod payload;
pub mod policy;
pub mod poller;
mod queue;
pub mod runtime;
mod settle;
mod start;
#[cfg(test)]
mod tests;

pub use memory::MemoryQueue;
pub use payload::sent_at;
pub use queue::{BATCH_MAX, Delivery, Failures, MESSAGE_MAX_BYTES, Outgoing, Queue};
pub use start::{IntakeError, Services, Settings};
