//! `loadgen`: puts search jobs on the queue at a given rate and accounts for the record of each one.
//!
//! The loop is open: the instant of every job follows from the start and the rate alone, so a slow queue or worker
//! shows as latency and cannot slow the load down. `--help` says what each figure means.

mod account;
mod aws;
mod cli;
mod jobs;
mod report;
mod run;
mod schedule;
mod sender;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    match run::run(cli::Args::parse()).await {
        Ok(exit_code) => exit_code,
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::from(run::EXIT_FAILED)
        }
    }
}
