//! nearline: search jobs from SQS, ranked results in DynamoDB, one catalog in memory for all of them.
//!
//! The path of a message: [`intake`] receives it, [`worker`] decides what becomes of it, [`embed`] turns
//! its text into a vector, [`catalog`] holds what is searched, [`results`] writes the record. These rooms know no AWS:
//! each has a trait at its boundary, with a version in memory beside it, and [`aws`] implements them. [`config`] alone
//! reads the environment, and [`fault`] says what may be retried.

pub mod aws;
pub mod backoff;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod coalesce;
pub mod compute;
pub mod config;
pub mod embed;
pub mod fault;
pub mod fault_plan;
pub mod intake;
pub mod results;
pub mod telemetry;
pub mod trace;
pub mod under_way;
pub mod worker;
