//! What stands in for AWS on one machine, for the demo, the tests and developers. Never a dependency of the product:
//! the product runs unchanged and only its endpoints differ.
//!
//! - [`stack`]: everything together, with queue, table and bucket; what `devstack up` starts
//! - [`ministack`]: SQS, DynamoDB and S3, by the pinned MiniStack in a virtual environment of its own
//! - [`bedrock`]: the embedding models' wire formats, with settable latency and faults
//! - [`lambda`]: Lambda Managed Instances and the SQS event source mapping for a real `bootstrap`
//! - [`proxy`]: between a worker and all of these, making calls fail by a seeded plan
//! - [`lexical`]: the embedding itself, hashed words and character trigrams
//! - [`commands`]: the command line
//!
//! All servers listen on 127.0.0.1 alone, and all processes end with the one that started them, even if it is killed.

pub mod bedrock;
mod broken_body;
pub mod commands;
pub mod error;
pub mod lambda;
pub mod lexical;
mod listener;
pub mod ministack;
mod process;
pub mod proxy;
mod server;
pub mod stack;

pub use error::DevstackError;
