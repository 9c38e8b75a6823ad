//! The Lambda executable.

use std::error::Error;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use nearline::aws::Sdk;
use nearline::compute::Compute;
use nearline::config::Reader;
use nearline::intake::{lambda, runtime::RuntimeApi};
use nearline::telemetry;

/// Measured by `make bench-path`: docs/benchmarks.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = "stopped", error, "nearline stops");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    telemetry::init(Reader::from_process().log().unwrap_or("info"));
    Reader::from_process().log()?;
    let (settings, runtime) = (Reader::from_process().worker()?, Reader::from_process().lambda()?);
    settings.warn_of_unknown();
    let services = Sdk::load().await.services(&settings.resources, Compute::threads(settings.search_threads)?);
    let (api, stop) = (RuntimeApi::new(&runtime)?, lambda::termination().await);
    Ok(lambda::run(services, settings.intake, api, runtime.slots, stop).await?)
}
