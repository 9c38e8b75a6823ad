//! `loadgen`: puts search jobs on the queue at a given rate and accounts for the record of each one.
//!
//! The loop is open: the instant of every job follows from the start and the rate alone, so a slow queue or worker
//! shows as latency and cannot slow the load down. `--help` says what each figure means.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match loadgen::execute(loadgen::Task::from_command_line()).await {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(error) => {
            loadgen::tell(&format!("loadgen: {error}"));
            ExitCode::from(loadgen::EXIT_FAILED)
        }
    }
}
