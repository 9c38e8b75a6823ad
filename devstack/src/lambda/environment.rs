//! The execution environment: one process of the function, with a Runtime API of its own, started again when it dies.
//!
//! Each process gets a new API, so that nothing a dead one still had open can take work from its successor.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dispatcher::Dispatcher;
use super::function::{Function, FunctionError};
use super::runtime_api::RuntimeApi;
use super::runtime_faults::RuntimeFaults;
use crate::DevstackError;
use crate::process::ProcessGroup;

/// The least that Lambda grants for starting; a longer function timeout extends it.
pub(super) const INIT_TIMEOUT: Duration = Duration::from_secs(130);
/// Lambda gives about half a second; a busy laptop more.
const TERM_GRACE: Duration = Duration::from_secs(2);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(10);
/// A process that lived this long did not die quickly: the back-off starts again.
const HEALTHY_LIFE: Duration = Duration::from_secs(10);
/// So many starts in a row that never asked for work are the end.
const FAILED_STARTS_LIMIT: u32 = 5;

/// What runs, and how.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentOptions {
    pub(super) bootstrap: PathBuf,
    pub(super) concurrency: usize,
    pub(super) function_timeout: Duration,
    pub(super) env: Vec<(String, String)>,
    pub(super) log: Option<PathBuf>,
    pub(super) function: Function,
    pub(super) faults: Arc<RuntimeFaults>,
}

#[derive(Debug, Default)]
pub(super) struct Vitals {
    pub(super) restarts: AtomicU64,
    /// 0 while no process runs.
    pub(super) process_id: AtomicU32,
}

/// Keeps a process of the function running until shut down. `ready` hears when the first one asks for work, or why it
/// never did; after a first success the returned error says why there is no process any more.
pub(super) async fn run(
    options: EnvironmentOptions,
    dispatcher: Arc<Dispatcher>,
    vitals: Arc<Vitals>,
    ready: oneshot::Sender<Result<(), DevstackError>>,
    shutdown: CancellationToken,
) -> Option<DevstackError> {
    let mut ready = Some(ready);
    let mut failed_starts = 0;
    let mut backoff = FIRST_BACKOFF;
    loop {
        let started_at = Instant::now();
        let error = match run_once(&options, &dispatcher, &vitals, &mut ready, &shutdown).await {
            Ok(End::Shutdown) => return None,
            Ok(End::Died { initialised, what }) => {
                failed_starts = if initialised { 0 } else { failed_starts + 1 };
                DevstackError::Bootstrap { bootstrap: options.bootstrap.clone(), what }
            }
            Err(error) => {
                failed_starts += 1;
                error
            }
        };
        if let Some(ready) = ready.take() {
            // The very first start failing is a mistake by whoever started us, not a crash to recover from.
            dispatcher.close(&FunctionError::exited("-", "it did not start"));
            let _ = ready.send(Err(error));
            return None;
        }
        if failed_starts == FAILED_STARTS_LIMIT {
            dispatcher.close(&FunctionError::exited("-", "it no longer starts"));
            return Some(error);
        }
        if started_at.elapsed() > HEALTHY_LIFE {
            backoff = FIRST_BACKOFF;
        }
        tracing::warn!(%error, backoff_ms = backoff.as_millis(), "starting the function again");
        shutdown.run_until_cancelled(tokio::time::sleep(backoff)).await?;
        backoff = (backoff * 2).min(LAST_BACKOFF);
        vitals.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

enum End {
    Shutdown,
    Died { initialised: bool, what: String },
}

async fn run_once(
    options: &EnvironmentOptions,
    dispatcher: &Arc<Dispatcher>,
    vitals: &Vitals,
    ready: &mut Option<oneshot::Sender<Result<(), DevstackError>>>,
    shutdown: &CancellationToken,
) -> Result<End, DevstackError> {
    let api = RuntimeApi::start(Arc::clone(dispatcher), options.function.clone(), Arc::clone(&options.faults)).await?;
    let mut process = ProcessGroup::spawn(
        command(options, &api.address())?,
        "check that the bootstrap exists, is executable and is built for this machine",
    )
    .await?;
    vitals.process_id.store(process.id(), Ordering::Relaxed);
    let init_timeout = INIT_TIMEOUT.max(options.function_timeout);
    let mut init_deadline = Some(Instant::now() + init_timeout);
    let what = loop {
        tokio::select! {
            status = process.wait() => break match status {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            () = api.initialised(), if init_deadline.is_some() => {
                init_deadline = None;
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Ok(()));
                }
            }
            () = async { tokio::time::sleep_until(init_deadline.expect("checked before")).await },
                if init_deadline.is_some() =>
            {
                break format!("did not ask for work within {} s", init_timeout.as_secs());
            }
            () = shutdown.cancelled() => {
                // With the API still up: the function may want to answer what it works on.
                process.stop(TERM_GRACE).await;
                vitals.process_id.store(0, Ordering::Relaxed);
                api.stop().await;
                dispatcher.close(&FunctionError::exited("-", "the environment was shut down"));
                return Ok(End::Shutdown);
            }
        }
    };
    process.stop(Duration::ZERO).await;
    vitals.process_id.store(0, Ordering::Relaxed);
    let initialised = api.is_initialised();
    let said = api.init_error().map(|error| format!("; it reported: {error}")).unwrap_or_default();
    api.stop().await;
    dispatcher.fail_running(&what);
    let when = if initialised { "" } else { " before it asked for work" };
    Ok(End::Died { initialised, what: format!("ended ({what}){when}{said}") })
}

fn command(options: &EnvironmentOptions, runtime_api: &str) -> Result<Command, DevstackError> {
    let Function { name, version, .. } = &options.function;
    let bootstrap = std::path::absolute(&options.bootstrap).map_err(DevstackError::file("find", &options.bootstrap))?;
    let mut command = Command::new(&bootstrap);
    command
        .envs(options.env.iter().map(|(name, value)| (name, value)))
        // What Lambda sets comes last: a function cannot override it there either.
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_MAX_CONCURRENCY", options.concurrency.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", version)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "4096")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("devstack/{name}[{version}]"))
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        .env("LAMBDA_TASK_ROOT", bootstrap.parent().unwrap_or(Path::new("/")))
        .env("_HANDLER", "bootstrap")
        .env("TZ", ":UTC");
    if let Some(log) = &options.log {
        let file = std::fs::File::options().create(true).append(true).open(log);
        let file = file.map_err(DevstackError::file("write", log))?;
        let errors = file.try_clone().map_err(DevstackError::file("write", log))?;
        command.stdout(Stdio::from(file)).stderr(Stdio::from(errors));
    }
    Ok(command)
}
