//! The command line.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    devstack::commands::run().await
}
