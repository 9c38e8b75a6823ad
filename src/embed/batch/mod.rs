//! Many texts at half the price: Bedrock's batch inference, for models that offer it (Titan v2).
//!
//! `run` is the policy: inputs of at most 50,000 records are uploaded, jobs started, watched and read. What was
//! started is kept in a file (`state`), so that a build that was killed resumes waiting for the jobs that it has paid
//! for. `service` is the boundary to those who run jobs, `input` and `output` are the two files of a job. A build of
//! fewer than 100 texts, and records that a job could not answer, are left to the caller, to be embedded on demand.

mod input;
mod key;
mod memory;
mod output;
mod run;
mod service;
mod state;
#[cfg(test)]
mod tests;

pub use key::Key;
pub use memory::MemoryBatches;
pub use run::{BatchProgress, BatchSettings, embed_in_batches};
pub use service::{Batches, JobState, JobStatus, NewJob};
