//! Jobs to the queue and records back, for services in Rust. Only with the feature `client`.
//!
//! [`Producer`] sends jobs in batches and says of each whether it was sent. [`Reader`] waits for records, many at once,
//! and fetches results that went to S3. Both take the SDK's clients as they are: region, credentials, endpoints, time limits
//! and the HTTP stack are the caller's. Neither logs, spawns or keeps anything.
//!
//! ```no_run
//! use std::time::Duration;
//! use nearline_contract::JobMessage;
//! use nearline_contract::client::{Producer, Reader};
//!
//! # async fn answer(config: aws_config::SdkConfig) {
//! let producer = Producer::new(aws_sdk_sqs::Client::new(&config), "https://sqs.eu-central-1.amazonaws.com/1/search-jobs");
//! let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_s3::Client::new(&config));
//! let reader = Reader::new(dynamodb, s3, "search-results");
//!
//! let job = JobMessage {
//!     request_id: "storefront-7f3a91".into(),
//!     query: Some("wireless headphones".into()),
//!     ..JobMessage::default()
//! };
//! for unsent in producer.enqueue(&[job]).await {
//!     eprintln!("job {}: {}", unsent.index, unsent.why);
//! }
//! let found = reader.wait(["storefront-7f3a91"], Duration::from_secs(30)).await;
//! match found.records.get("storefront-7f3a91") {
//!     Some(record) => println!("{:?} {:?} {:?}", record.status, record.results, record.error),
//!     None => eprintln!("no record in time: {:?} {:?}", found.fault, found.unreadable),
//! }
//! # }
//! ```

mod call;
mod pauses;
mod producer;
mod reader;
#[cfg(test)]
mod scripted;

pub use call::CallError;
pub use producer::{Producer, SendError, Unsent};
pub use reader::{Found, ReadError, Reader};
