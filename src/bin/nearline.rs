//! The command line.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Measured by `make bench-path`: docs/benchmarks.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    nearline::cli::run().await
}
