//! Open-loop load for nearline, with an account of every job.
//!
//! A run's way through the house: [`Args`] say what is asked for; `schedule` says when each message is meant to be
//! sent and `jobs` what it is; `sender` puts it on the queue; `verify` finds its record and judges it; `account` keeps
//! the books, which `view` shows and `report` sums up, and makes a page of later. Only `aws` knows the SDK.

mod account;
mod aws;
mod backoff;
mod cli;
#[cfg(test)]
mod coordinated_omission;
mod error;
mod inputs;
mod jobs;
mod latency;
mod outputs;
mod plan;
mod prices;
mod report;
mod requests;
mod run;
mod schedule;
mod sender;
mod series;
mod slo;
mod stop;
mod terminal;
mod text;
mod usage;
mod values;
mod verify;
mod view;
mod window;

pub use self::aws::AccessError;
pub use self::cli::{Args, ReportArgs, Task, definition};
pub use self::error::RunError;
pub use self::outputs::tell;
pub use self::run::{EXIT_FAILED, execute, run};
pub use self::stop::Stop;
pub use self::verify::{LookupError, Unverified};
pub use self::view::View;
