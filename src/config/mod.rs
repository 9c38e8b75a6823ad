//! Settings: from the environment to the settings of the rooms.
//!
//! [`SETTINGS`] is the one table of names, defaults and ranges; `--help` and docs/settings.md are printed from it.
//! Region, credentials and endpoints are the AWS SDK's own and stand nowhere here. No room reads settings from here:
//! they are handed to it.

mod embedding;
mod operator;
mod process;
mod reader;
mod slips;
mod table;
#[cfg(test)]
mod tests;
mod ways_out;

pub use operator::StatusSettings;
pub use reader::{BuildSettings, ConfigError, QuerySettings, Reader, ResultSettings, RunSettings, WorkerSettings};
pub use table::{SETTINGS, Setting, help, markdown};
