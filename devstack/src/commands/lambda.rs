//! `devstack lambda`: a function and its queue, with counts in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::BehaviorVersion;

use super::stop::Stop;
use super::whole_file::write_atomically;
use crate::DevstackError;
use crate::lambda::{FUNCTION_NAME, LambdaHarness, LambdaOptions, LambdaStats};
use crate::stack::http_client;

const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// Run a Lambda function's executable on a queue, as Managed Instances and the event source mapping do
///
/// One process serves many invocations at once, deadlines are real, a dead process is replaced, and partial batch
/// responses count by Lambda's rules. The AWS_* variables say where the queue is; the function inherits this
/// environment.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The function's executable
    #[arg(long, value_name = "PATH")]
    bootstrap: PathBuf,
    /// How many invocations the process serves at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1600))]
    concurrency: u16,
    /// Most messages in a batch; more than 10 need a window
    #[arg(long, value_name = "B", default_value_t = 10)]
    batch_size: usize,
    /// How long a batch may wait for more messages, in seconds: 0 to 300
    #[arg(long, value_name = "S", default_value_t = 0)]
    window_seconds: u64,
    /// The function timeout, in seconds: at most 900, and at most the queue's visibility timeout
    #[arg(long, value_name = "T", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=900))]
    timeout_seconds: u64,
    /// The port on 127.0.0.1 for direct invocations (Lambda's Invoke API); 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 0)]
    port: u16,
    /// Where to write the counts as JSON, replaced once a second and at the end
    #[arg(long, value_name = "F")]
    stats_file: Option<PathBuf>,
    /// The queue whose messages the function receives
    #[arg(long, value_name = "URL", env = "NEARLINE_QUEUE_URL")]
    queue_url: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), DevstackError> {
    let mut stop = Stop::listen()?;
    let sdk_config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client()).load().await;
    if sdk_config.region().is_none() {
        return Err(DevstackError::Option("no AWS region: set AWS_REGION, or a profile that has one".into()));
    }
    let options = LambdaOptions {
        concurrency: arguments.concurrency.into(),
        batch_size: arguments.batch_size,
        window: Duration::from_secs(arguments.window_seconds),
        function_timeout: Duration::from_secs(arguments.timeout_seconds),
        invoke_port: arguments.port,
        ..LambdaOptions::new(arguments.bootstrap, arguments.queue_url, sdk_config)
    };
    let harness = tokio::select! {
        harness = LambdaHarness::start(options) => harness?,
        // What has already started ends by being dropped.
        () = stop.asked() => return Ok(()),
    };
    eprintln!(
        "devstack: {FUNCTION_NAME} serves up to {} invocations at once; direct ones: {}/2015-03-31/functions/\
         {FUNCTION_NAME}/invocations",
        arguments.concurrency,
        harness.invoke_endpoint()
    );
    let stats_file = arguments.stats_file.as_deref();
    let ended = tokio::select! {
        () = stop.asked() => Ok(()),
        what = harness.failed() => Err(DevstackError::Function { what }),
        error = write_stats_forever(&harness, stats_file) => Err(error),
    };
    let stats = harness.stop().await;
    eprintln!("{}", summary(&stats));
    ended.and(write_stats(&stats, stats_file))
}

/// Returns only if writing fails.
async fn write_stats_forever(harness: &LambdaHarness, file: Option<&Path>) -> DevstackError {
    let mut interval = tokio::time::interval(STATS_INTERVAL);
    loop {
        interval.tick().await;
        if let Err(error) = write_stats(&harness.stats(), file) {
            return error;
        }
    }
}

fn write_stats(stats: &LambdaStats, file: Option<&Path>) -> Result<(), DevstackError> {
    let Some(file) = file else { return Ok(()) };
    let mut json = serde_json::to_vec(stats).expect("numbers always become JSON");
    json.push(b'\n');
    write_atomically(file, &json)
}

fn summary(stats: &LambdaStats) -> String {
    format!(
        "devstack: {} invocations, at most {} in flight at once; {} messages done, {} failed and left for redelivery; \
         {} batches failed as a whole, {} timeouts, {} restarts",
        stats.invocations,
        stats.max_in_flight,
        stats.messages_deleted,
        stats.messages_failed,
        stats.batches_failed,
        stats.timeouts,
        stats.restarts
    )
}
