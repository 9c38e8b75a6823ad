//! nearline: search jobs from SQS, ranked results in DynamoDB, one catalog in memory for all of them.
//!
//! A message's way through the house: [`intake`] receives it, [`worker`] decides what becomes of it, [`embed`] turns
//! its text into a vector, [`catalog`] holds what is searched, [`results`] writes the record. [`config`] alone reads
//! the environment, [`aws`] alone makes clients, and [`fault`] says what may be tried again.

pub mod aws;
pub mod catalog;
pub mod cli;
pub mod coalesce;
pub mod config;
pub mod embed;
pub mod fault;
pub mod intake;
pub mod results;
pub mod telemetry;
pub mod worker;
