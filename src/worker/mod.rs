//! A batch of messages in, one outcome for each message out.
//!
//! Owns the order of things (`process`): parse, look up what is finished, run what is not, write the record. `plan`
//! is a job in terms of a catalog, `row_sets` what its filter leaves, `engine` what answers it, `serving` which engine answers which job. It knows no queue: [`crate::intake`] carries outcomes out.

mod engine;
mod outcome;
mod plan;
mod process;
mod row_sets;
mod serving;
#[cfg(test)]
mod tests;

pub use engine::{Answer, Engine, Engines, NoAnswer};
pub use outcome::{JobKey, Message, Outcome, Processed, conflict};
pub use plan::{Plan, Returned, Source, groups};
pub use process::Worker;
pub use row_sets::RowSets;
pub use serving::Serving;
