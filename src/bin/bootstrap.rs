//! The Lambda executable.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use mimalloc::MiMalloc;
use nearline::aws::Sdk;
use nearline::compute::Compute;
use nearline::config::Reader;
use nearline::intake::{lambda, runtime::RuntimeApi};
use nearline::telemetry::{self, observers};

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
    // Between invocations a standard function is frozen, and what it had gathered with it.
    let period = if runtime.slots == 1 { Duration::ZERO } else { observers::PERIOD };
    observers::set(settings.telemetry.observers(period));
    tokio::spawn(observers::tick());
    let (api, stop) = (RuntimeApi::new(&runtime)?, lambda::termination().await);
    let ended = lambda::run(services, settings.intake, api, runtime.slots, stop).await;
    observers::flush();
    Ok(ended?)
}
