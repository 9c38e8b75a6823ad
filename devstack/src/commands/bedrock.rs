//! `devstack bedrock`: the embedding endpoint alone.

use std::time::Duration;

use super::stop::Stop;
use crate::DevstackError;
use crate::bedrock::{BedrockOptions, BedrockServer};

/// Serve Bedrock's InvokeModel for embedding models
///
/// Answers Nova 2, Titan v2, Cohere v3 and v4 with lexical vectors: hashed words and character trigrams. Point the AWS
/// SDK at it with AWS_ENDPOINT_URL_BEDROCK_RUNTIME. GET /_devstack/stats counts what was asked for.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "P")]
    port: u16,
    /// How long each embedding takes, in milliseconds
    #[arg(long, value_name = "M", default_value_t = 0)]
    latency_ms: u64,
    /// The share of requests to throttle, 0 to 1
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    throttle_rate: f64,
    /// The share of the others to fail with 500, 503 or 424, 0 to 1
    #[arg(long, value_name = "E", default_value_t = 0.0)]
    error_rate: f64,
    /// Seed of the random faults
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Refuse calls in a service tier, like a model that does not support it
    #[arg(long)]
    refuse_service_tier: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), DevstackError> {
    let mut stop = Stop::listen()?;
    let options = BedrockOptions {
        port: arguments.port,
        latency: Duration::from_millis(arguments.latency_ms),
        throttle_rate: arguments.throttle_rate,
        error_rate: arguments.error_rate,
        seed: arguments.seed,
        refuse_service_tier: arguments.refuse_service_tier,
    };
    let server = BedrockServer::start(options).await?;
    eprintln!("devstack: AWS_ENDPOINT_URL_BEDROCK_RUNTIME={}", server.endpoint());
    stop.asked().await;
    let stats = server.stats();
    eprintln!(
        "devstack: {} requests, {} texts embedded, {} throttled, {} errors, at most {} at once",
        stats.requests, stats.texts, stats.throttled, stats.errors, stats.max_in_flight
    );
    server.stop().await;
    Ok(())
}
