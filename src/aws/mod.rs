//! AWS: the one room that names its SDK. It implements the boundaries of the other rooms.
//!
//! Clients are made in one way: one TLS stack, explicit time limits. Region, credentials and endpoints come from the
//! SDK's own sources, so that local development is nothing but other endpoints. What went wrong is classified once
//! (`errors`).

mod bedrock;
mod bedrock_batch;
mod client;
pub mod describe;
mod direct;
mod dynamodb;
mod errors;
mod genuine;
pub mod identity;
mod item;
mod leases;
pub mod probe;
mod publishing;
mod requests;
mod s3;
mod signature;
mod skew;
pub mod sources;
mod sqs;
#[cfg(test)]
pub(crate) mod tests;
mod trace;

pub use bedrock::BedrockModels;
pub use bedrock_batch::BedrockBatches;
pub use client::{AwsServices, Resources, Sdk};
pub use dynamodb::DynamoRecords;
pub use leases::DynamoLeases;
pub use s3::S3Artifacts;
pub use skew::{Difference, Skew};
pub use sqs::SqsQueue;
