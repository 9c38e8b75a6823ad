//! A function and its queue, put together: started, counted and stopped as one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_config::SdkConfig;
use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::dispatcher::Dispatcher;
use super::environment::{self, EnvironmentOptions, INIT_TIMEOUT, Vitals};
use super::function::{Function, FunctionError};
use super::invoke_api;
use super::mapping::{Mapping, MappingOptions};
use super::runtime_faults::RuntimeFaults;
use crate::DevstackError;
use crate::server::Server;

/// How long stopping waits for the batches in flight, and, when the process is gone, for what is left of them.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct LambdaOptions {
    /// The function's executable.
    pub bootstrap: PathBuf,
    /// How many invocations the process serves at once.
    pub concurrency: usize,
    /// The most messages of one batch, 1 to 10,000; more than 10 need a window.
    pub batch_size: usize,
    /// How long a batch may wait for more messages after its first one; whole seconds on AWS.
    pub window: Duration,
    /// From when an invocation is handed to the function until it counts as timed out.
    pub function_timeout: Duration,
    /// The function's environment, on top of this process's own.
    pub env: Vec<(String, String)>,
    /// The queue whose messages the function receives.
    pub queue_url: String,
    /// For the mapping's own calls: where the queue is, and as whom.
    pub sdk_config: SdkConfig,
    /// The port of the Invoke API on 127.0.0.1; 0 takes a free one.
    pub invoke_port: u16,
    /// A file that the function's standard output and error are appended to; without one they go to ours.
    pub log: Option<PathBuf>,
}

impl LambdaOptions {
    /// As AWS has it by default: 8 invocations at once, batches of up to 10 without a window, a timeout of 60 s.
    pub fn new(bootstrap: impl Into<PathBuf>, queue_url: impl Into<String>, sdk_config: SdkConfig) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            concurrency: 8,
            batch_size: 10,
            window: Duration::ZERO,
            function_timeout: Duration::from_mins(1),
            env: Vec::new(),
            queue_url: queue_url.into(),
            sdk_config,
            invoke_port: 0,
            log: None,
        }
    }
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LambdaStats {
    /// Invocations that the function has taken, of the mapping and direct ones.
    pub invocations: u64,
    /// Invocations that the function works on now.
    pub in_flight: usize,
    /// The most that it worked on at one moment.
    pub max_in_flight: usize,
    /// Slots of the function that are free: calls of `/next` that wait.
    pub waiting_slots: usize,
    /// Answers refused because they named another delivery than that of their invocation.
    pub invocation_id_mismatches: u64,
    /// Calls of the Runtime API that met a fault which a test had set.
    pub runtime_faults: u64,
    /// Batches whose response was usable, some of their messages may have failed.
    pub batches_ok: u64,
    /// Batches that failed as a whole: an error, a timeout or an unusable response.
    pub batches_failed: u64,
    /// Messages that succeeded and are deleted.
    pub messages_deleted: u64,
    /// Messages that failed and come again, counted each time.
    pub messages_failed: u64,
    /// Invocations that were not answered by their deadline.
    pub timeouts: u64,
    /// How often the process died and was started again.
    pub restarts: u64,
    /// The running process, if there is one.
    pub bootstrap_pid: Option<u32>,
}

/// A running function with its queue; all of it ends when dropped, or with this process.
#[derive(Debug)]
pub struct LambdaHarness {
    dispatcher: Arc<Dispatcher>,
    vitals: Arc<Vitals>,
    faults: Arc<RuntimeFaults>,
    mapping: Mapping,
    invoke_api: Server,
    environment: tokio::task::JoinHandle<()>,
    failure: watch::Receiver<Option<String>>,
    shutdown: CancellationToken,
}

impl LambdaHarness {
    /// Checks the options, starts the function, waits until it asks for work, then connects the queue and the Invoke API.
    pub async fn start(options: LambdaOptions) -> Result<Self, DevstackError> {
        if options.concurrency == 0 || options.function_timeout.is_zero() {
            return Err(DevstackError::Option("concurrency and function timeout must be more than 0".into()));
        }
        let function = Function::new(&options.sdk_config, &options.queue_url);
        let slot_timeout = INIT_TIMEOUT.max(options.function_timeout);
        let dispatcher = Arc::new(Dispatcher::new(options.function_timeout, slot_timeout));
        // Before the function starts, which may take long: a wrong option should be heard of at once.
        let mapping = MappingOptions {
            queue_url: options.queue_url,
            batch_size: options.batch_size,
            window: options.window,
            function_timeout: options.function_timeout,
            concurrency: options.concurrency,
        };
        let mapping = Mapping::prepare(mapping, &options.sdk_config, Arc::clone(&dispatcher)).await?;
        let vitals = Arc::new(Vitals::default());
        let faults = Arc::new(RuntimeFaults::new());
        let shutdown = CancellationToken::new();
        // From here on dropping this ends the process, whatever fails below.
        let end_if_failed = shutdown.clone().drop_guard();
        let (ready, becomes_ready) = oneshot::channel();
        let (failed, failure) = watch::channel(None);
        let environment = EnvironmentOptions {
            bootstrap: options.bootstrap.clone(),
            concurrency: options.concurrency,
            function_timeout: options.function_timeout,
            env: options.env,
            log: options.log,
            function: function.clone(),
            faults: Arc::clone(&faults),
        };
        let environment =
            environment::run(environment, Arc::clone(&dispatcher), Arc::clone(&vitals), ready, shutdown.clone());
        let environment = tokio::spawn(async move {
            let error = environment.await;
            failed.send_replace(error.map(|error| error.to_string()));
        });
        becomes_ready.await.unwrap_or_else(|_| {
            Err(DevstackError::Bootstrap { bootstrap: options.bootstrap, what: "was stopped while starting".into() })
        })?;
        let invoke_api = invoke_api::start(options.invoke_port, Arc::clone(&dispatcher), function).await?;
        mapping.begin();
        let shutdown = end_if_failed.disarm();
        Ok(Self { dispatcher, vitals, faults, mapping, invoke_api, environment, failure, shutdown })
    }

    /// The counts until now.
    pub fn stats(&self) -> LambdaStats {
        let counts = self.dispatcher.counts();
        let mapping = self.mapping.counters();
        let process_id = self.vitals.process_id.load(Ordering::Relaxed);
        LambdaStats {
            invocations: counts.invocations,
            in_flight: counts.in_flight,
            max_in_flight: counts.max_in_flight,
            waiting_slots: counts.waiting_slots,
            invocation_id_mismatches: counts.invocation_id_mismatches,
            runtime_faults: self.faults.met(),
            batches_ok: mapping.batches_ok.load(Ordering::Relaxed),
            batches_failed: mapping.batches_failed.load(Ordering::Relaxed),
            messages_deleted: mapping.messages_deleted.load(Ordering::Relaxed),
            messages_failed: mapping.messages_failed.load(Ordering::Relaxed),
            timeouts: counts.timeouts,
            restarts: self.vitals.restarts.load(Ordering::Relaxed),
            bootstrap_pid: (process_id != 0).then_some(process_id),
        }
    }

    /// Invokes the function directly and waits for its answer.
    pub async fn invoke(&self, payload: &[u8]) -> Result<Vec<u8>, FunctionError> {
        self.dispatcher.invoke(Bytes::copy_from_slice(payload)).await.map(Vec::from)
    }

    /// How the Runtime API misbehaves from now on.
    pub fn runtime_faults(&self) -> &RuntimeFaults {
        &self.faults
    }

    /// Where the Invoke API is: `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL_LAMBDA`.
    pub fn invoke_endpoint(&self) -> String {
        format!("http://{}", self.invoke_api.address())
    }

    /// Waits until the function cannot be kept running any more; says why. Never returns while it can.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone().unwrap_or_default(),
            Err(_) => "its supervisor was lost".into(),
        }
    }

    /// Takes no more messages, lets the batches in flight finish (10 s at most), ends the process with SIGTERM and,
    /// 2 s later, SIGKILL. The final counts.
    pub async fn stop(mut self) -> LambdaStats {
        if !self.mapping.stop(DRAIN_TIMEOUT).await {
            tracing::warn!("stopping with batches in flight; their messages will be redelivered");
        }
        self.shutdown.cancel();
        let _ = (&mut self.environment).await;
        // What was still in flight has failed by now, and is to be counted as such.
        self.mapping.stop(SETTLE_TIMEOUT).await;
        self.stats()
    }
}

impl Drop for LambdaHarness {
    fn drop(&mut self) {
        self.shutdown.cancel();
        // Also without anybody to wait for a graceful end: dropping the task kills the process group.
        self.environment.abort();
    }
}
