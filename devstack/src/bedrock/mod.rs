//! Bedrock's `InvokeModel` for embedding models, and its batch jobs: the wire formats and refusals of the real one, over
//! lexical vectors.
//!
//! Latency, throttling and errors are settable, at the start for a rate and at run time for a certain fault, and all
//! traffic is counted, so that a test can prove what was asked for. What the real service refuses is refused here in
//! the same form; a request that works here and not there is a bug. No signature is checked.

mod batch;
mod cohere;
mod embedding;
mod fault;
mod model;
mod nova;
mod request;
mod server;
mod titan;

pub use batch::BatchOptions;
pub use fault::Fault;
pub use server::{BedrockOptions, BedrockServer, BedrockStats};
