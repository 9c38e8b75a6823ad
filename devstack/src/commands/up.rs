//! `devstack up`: the whole stack, described by an environment file while it runs.

use std::path::PathBuf;
use std::time::Duration;

use super::environment_file::{claim, give_up, write};
use super::stop::Stop;
use crate::DevstackError;
use crate::bedrock::BedrockOptions;
use crate::stack::{Stack, StackOptions};

/// Start SQS, DynamoDB, S3 and Bedrock with queue, dead-letter queue, table and bucket, until SIGTERM
///
/// The environment file is written once everything is ready, and removed when the command ends; that of other stand-ins
/// that are running is left alone. It has one NAME=value per line:
/// `set -a; . F; set +a` and then start a worker. The first start on a machine installs MiniStack into
/// $DEVSTACK_HOME, or else nearline-devstack in the user's cache folder.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to write the settings of everything that was started
    #[arg(long, value_name = "F")]
    env_file: PathBuf,
    /// FIFO queues instead of standard ones
    #[arg(long)]
    fifo: bool,
    /// The queue's visibility timeout, in seconds: at least the function timeout
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=43_200))]
    visibility_timeout_seconds: u64,
    /// How long each embedding takes, in milliseconds
    #[arg(long, value_name = "M", default_value_t = 0)]
    bedrock_latency_ms: u64,
    /// The share of embedding requests to throttle, 0 to 1
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    bedrock_throttle_rate: f64,
    /// The share of the others to fail with a transient error, 0 to 1
    #[arg(long, value_name = "E", default_value_t = 0.0)]
    bedrock_error_rate: f64,
    /// Refuse embeddings in a service tier, like a model that does not support it
    #[arg(long)]
    bedrock_refuse_service_tier: bool,
    /// Seed of the random faults
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), DevstackError> {
    let mut stop = Stop::listen()?;
    let file = arguments.env_file;
    claim(&file)?;
    let options = StackOptions {
        bedrock: BedrockOptions {
            port: 0,
            latency: Duration::from_millis(arguments.bedrock_latency_ms),
            throttle_rate: arguments.bedrock_throttle_rate,
            error_rate: arguments.bedrock_error_rate,
            seed: arguments.seed,
            refuse_service_tier: arguments.bedrock_refuse_service_tier,
        },
        fifo: arguments.fifo,
        visibility_timeout: Duration::from_secs(arguments.visibility_timeout_seconds),
        ..StackOptions::default()
    };
    let mut stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        // What has already started ends by being dropped.
        () = stop.asked() => return Ok(()),
    };
    write(&file, &stack.env())?;
    eprintln!("devstack: SQS, DynamoDB and S3 at {}", stack.ministack().endpoint());
    eprintln!("devstack: Bedrock embeddings at {}", stack.bedrock().endpoint());
    // Absolute: a shell looks for a bare name on the PATH.
    let shown = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
    eprintln!("devstack: to use them: set -a; . {}; set +a", shown.display());
    eprintln!("devstack: running until SIGTERM or Ctrl-C");
    let ended = tokio::select! {
        () = stop.asked() => Ok(()),
        error = stack.ended() => Err(error),
    };
    let removed = give_up(&file, &stack.env());
    stack.stop().await;
    ended.and(removed)
}
