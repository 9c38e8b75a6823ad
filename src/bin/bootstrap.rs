//! The Lambda executable.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match nearline::intake::lambda::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "nearline stops");
            ExitCode::FAILURE
        }
    }
}
