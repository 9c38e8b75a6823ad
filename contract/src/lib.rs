//! What other services see of nearline: the search job they put on the queue and the result record they read.
//!
//! [`receive()`] turns a message body into a [`SearchJob`] once, with every rule checked on the way; a [`ResultRecord`]
//! is the answer. [`lines`] cuts a file into jobs. The crate does no I/O and knows no AWS: a producer or reader written
//! in Rust needs nothing else.
//!
//! Two features, off unless asked for, bring AWS's SDK: with `dynamodb` a record is read from an item (`item`), with
//! `client` it also has a producer and a reader (`client`).

#[cfg(feature = "client")]
pub mod client;
mod envelope;
pub mod error;
mod fields;
pub mod filter;
pub mod hash;
#[cfg(feature = "dynamodb")]
pub mod item;
pub mod job;
pub mod kind;
pub mod limits;
pub mod lines;
mod receive;
pub mod record;
pub mod schema;
mod shown;
pub mod surrogate;
pub mod text;

pub use error::{ErrorCode, JobError, clip};
pub use filter::Filter;
pub use job::{GroupBy, JobMessage, SearchJob, Target};
pub use receive::{ReceivedJob, Refusal, receive};
pub use record::{Attribute, Group, Match, RecordCode, RecordError, ResultRecord, Status};
