//! Lambda Managed Instances and the SQS event source mapping, for a real `bootstrap`.
//!
//! One process of the function serves many invocations at once, by as many waiting `/next` calls. Deadlines are
//! real, a dead process is replaced, and batches are settled by all the rules of partial batch responses. What is not
//! played: scaling (there is one environment), a mapping's back-off after function errors, and permissions.

mod batch;
mod batch_response;
mod dispatcher;
mod environment;
mod group_locks;
mod invoke_api;
mod mapping;
mod runtime_api;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_config::SdkConfig;
use axum::body::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::dispatcher::Dispatcher;
use self::environment::{EnvironmentOptions, INIT_TIMEOUT, Vitals};
use self::mapping::{Mapping, MappingOptions};
use crate::DevstackError;
use crate::server::Server;

/// An event or an answer may have 6 MB.
const PAYLOAD_LIMIT_BYTES: usize = 6 * 1024 * 1024;
/// The name for direct invocations.
pub const FUNCTION_NAME: &str = "nearline";
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
    /// The queue whose messages the function gets.
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

/// Why an invocation has no answer. On AWS this is an answer with `X-Amz-Function-Error`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The function said so itself.
    #[error("the function returned an error: {payload}")]
    Unhandled {
        /// The JSON that it reported.
        payload: String,
    },
    /// The deadline passed; the function may still be working on it.
    #[error("invocation {request_id} timed out after {} s", timeout.as_secs_f64())]
    TimedOut {
        /// The invocation.
        request_id: String,
        /// The function timeout.
        timeout: Duration,
    },
    /// The process ended in the middle of it.
    #[error("invocation {request_id}: the runtime exited: {reason}")]
    Exited {
        /// The invocation.
        request_id: String,
        /// How it ended.
        reason: String,
    },
    /// All slots stayed taken. On AWS a direct caller hears of it by HTTP status 429.
    #[error("no slot of the function became free within {} s", waited.as_secs_f64())]
    Throttled {
        /// How long it waited.
        waited: Duration,
    },
    /// The answer is larger than Lambda passes on.
    #[error("the response of {bytes} bytes is larger than {PAYLOAD_LIMIT_BYTES}")]
    ResponseTooLarge {
        /// The answer's size.
        bytes: usize,
    },
}

impl FunctionError {
    fn exited(request_id: &str, reason: &str) -> Self {
        Self::Exited { request_id: request_id.into(), reason: reason.into() }
    }

    /// The JSON that Lambda answers with.
    pub fn payload(&self) -> String {
        let (error_type, message) = match self {
            Self::Unhandled { payload } => return payload.clone(),
            Self::TimedOut { request_id, timeout } => (
                "Sandbox.Timedout",
                format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64()),
            ),
            Self::Exited { request_id, reason } => {
                ("Runtime.ExitError", format!("RequestId: {request_id} Error: Runtime exited with error: {reason}"))
            }
            Self::Throttled { .. } => ("TooManyRequestsException", "Rate Exceeded.".into()),
            Self::ResponseTooLarge { bytes } => (
                "Function.ResponseSizeTooLarge",
                format!(
                    "Response payload size ({bytes} bytes) exceeded maximum allowed ({PAYLOAD_LIMIT_BYTES} bytes)."
                ),
            ),
        };
        json!({"errorType": error_type, "errorMessage": message}).to_string()
    }
}

/// The function's identity, as Lambda would report it.
#[derive(Debug, Clone)]
struct Function {
    name: &'static str,
    version: &'static str,
    arn: String,
    account: String,
}

impl Function {
    fn new(sdk: &SdkConfig, queue_url: &str) -> Self {
        let region = sdk.region().map_or("us-east-1", |region| region.as_ref());
        // A queue's URL ends in /ACCOUNT/NAME.
        let account = queue_url.rsplit('/').nth(1).filter(|account| account.len() == 12).unwrap_or("000000000000");
        let arn = format!("arn:aws:lambda:{region}:{account}:function:{FUNCTION_NAME}:1");
        // A published version: Managed Instances run nothing else.
        Self { name: FUNCTION_NAME, version: "1", arn, account: account.into() }
    }

    /// A name, with or without a qualifier, or an ARN.
    fn is_named(&self, name: &str) -> bool {
        let name = name.strip_prefix("arn:aws:lambda:").map_or(name, |arn| arn.splitn(4, ':').nth(3).unwrap_or(arn));
        name.split(':').next() == Some(self.name)
    }
}

/// A running function with its queue; all of it ends when dropped, or with this process.
#[derive(Debug)]
pub struct LambdaHarness {
    dispatcher: Arc<Dispatcher>,
    vitals: Arc<Vitals>,
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
        };
        let environment =
            environment::run(environment, Arc::clone(&dispatcher), Arc::clone(&vitals), ready, shutdown.clone());
        let environment = tokio::spawn(async move {
            let error = environment.await;
            failed.send_replace(error.map(|error| error.to_string()));
        });
        becomes_ready.await.unwrap_or_else(|_| {
            Err(DevstackError::Bootstrap { bootstrap: options.bootstrap, what: "was given up while starting".into() })
        })?;
        let invoke_api = invoke_api::start(options.invoke_port, Arc::clone(&dispatcher), function).await?;
        mapping.begin();
        let shutdown = end_if_failed.disarm();
        Ok(Self { dispatcher, vitals, mapping, invoke_api, environment, failure, shutdown })
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
            tracing::warn!("stopping with batches in flight; their messages come again");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_answers_to_its_name_in_all_forms() {
        let sdk = SdkConfig::builder().build();
        let function = Function::new(&sdk, "http://127.0.0.1:4566/123456789012/jobs");
        assert_eq!(function.arn, "arn:aws:lambda:us-east-1:123456789012:function:nearline:1");
        for name in ["nearline", "nearline:1", "nearline:live", &function.arn] {
            assert!(function.is_named(name), "{name}");
        }
        assert!(!function.is_named("other"));
        assert!(!function.is_named("arn:aws:lambda:us-east-1:123456789012:function:other"));
    }

    #[test]
    fn a_timeout_is_worded_as_lambdas() {
        let error = FunctionError::TimedOut { request_id: "r".into(), timeout: Duration::from_secs(3) };
        let payload: serde_json::Value = serde_json::from_str(&error.payload()).unwrap();
        assert_eq!(payload["errorMessage"], "RequestId: r Error: Task timed out after 3.00 seconds");
    }
}
