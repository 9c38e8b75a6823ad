//! `nearline worker`: polls until it is told to stop; beside it, if asked for, a server for probes and scrapers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::StatusCode;

use super::duration::within;
use super::interrupt;
use super::output::CliError;
use crate::aws::Sdk;
use crate::compute::Compute;
use crate::config::Reader;
use crate::intake::poller::{self, Loops};
use crate::telemetry::exposition::Exposition;
use crate::telemetry::health::Health;
use crate::telemetry::observers::{self, Observer};
use crate::telemetry::server::{Page, Server};
use crate::telemetry::traces::Traces;

#[derive(Args)]
pub(super) struct WorkerArgs {
    /// Batches in flight at once, of up to 10 messages each
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// Longest time for a batch, from 5s to 15m; what is not finished by then is retried. SIGTERM waits for batches: allow
    /// this time plus 45 s
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = within(5..=900))]
    batch_timeout: Duration,
    /// Serve /metrics (Prometheus), /healthz and /readyz at this address, such as 0.0.0.0:9464; unset: serve nothing
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
}

/// An address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it must be an IP address and a port, such as 0.0.0.0:9464 or [::]:9464".to_owned())
}

/// Polls until SIGTERM or Ctrl-C.
pub(super) async fn run(args: WorkerArgs) -> Result<(), CliError> {
    let settings = Reader::from_process().worker()?;
    settings.warn_of_unknown();
    let stop = interrupt::token(|| {
        tracing::info!(
            event = "draining",
            "draining: finishing what is in flight, taking nothing new (Ctrl-C again: quit now)"
        );
    })?;
    let health = Health::default();
    let mut observers: Vec<Box<dyn Observer>> = settings.telemetry.observers(observers::PERIOD);
    if settings.telemetry.traces {
        observers.push(Box::new(Traces::start().map_err(|error| CliError::Other(error.to_string()))?));
    }
    if let Some(address) = args.listen {
        let exposition = Arc::new(Exposition::new(health.clone()));
        observers.push(Box::new(Arc::clone(&exposition)));
        let server = Server::bind(address).await.map_err(CliError::io(format!("--listen {address}")))?;
        let (health, address) = (health.clone(), server.address().unwrap_or(address));
        tokio::spawn(server.serve(move |path| page(path, &exposition, &health)));
        tracing::info!(event = "listening", %address, "serving /metrics, /healthz and /readyz");
    }
    observers::set(observers);
    tokio::spawn(observers::tick());
    let mut services = Sdk::load().await.services(&settings.resources, Compute::threads(settings.search_threads)?);
    if settings.telemetry.traces {
        services.queue = services.queue.with_traces();
    }
    let loops = Loops { count: usize::from(args.concurrency), batch_timeout: args.batch_timeout };
    let ended = poller::run(services, settings.intake, loops, stop, health).await;
    // It may wait for a network.
    let _ = tokio::task::spawn_blocking(observers::flush).await;
    Ok(ended?)
}

fn page(path: &str, exposition: &Exposition, health: &Health) -> Option<Page> {
    Some(match path {
        "/metrics" => {
            let (body, content_type) = exposition.page();
            Page { status: StatusCode::OK, content_type, body }
        }
        // That it is answered says that the runtime turns.
        "/healthz" => Page::text(StatusCode::OK, "ok"),
        "/readyz" => match health.not_ready() {
            None => Page::text(StatusCode::OK, "ready"),
            Some(why) => Page::text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {why}")),
        },
        _ => return None,
    })
}
