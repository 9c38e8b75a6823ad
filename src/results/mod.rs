//! Records: written once, read back whole.
//!
//! The first write of a `request_id` wins. Writing says what was found there ([`Written`]); looking up before the
//! work says what is finished already ([`Prior`]). Results too large for an item are uploaded before the record is
//! written. [`Records`] is the boundary to where records are kept.

mod memory;
mod records;
mod size;
mod store;
#[cfg(test)]
mod tests;

pub use memory::MemoryRecords;
pub use records::{GivenUp, LOOK_UP_MAX, LookUp, Prior, Records, Written};
pub use size::{INLINE_MAX_BYTES, record_bytes};
pub use store::{Results, Settings, WriteError};
