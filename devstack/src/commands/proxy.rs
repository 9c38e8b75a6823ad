//! `devstack proxy`: faults between a worker and the stand-ins, with an account of them at the end.

use std::path::PathBuf;
use std::time::Duration;

use super::environment_file::{claim, give_up, write};
use super::stop::Stop;
use super::whole_file::write_atomically;
use crate::DevstackError;
use crate::proxy::{FaultKind, ProxyOptions, ProxyReport, ProxyServer};

/// Make calls to SQS, DynamoDB, S3 and Bedrock fail, by a seeded plan
///
/// Sits between a worker and the stand-ins, and forwards every call it does not disturb. A call's fault follows from
/// the seed, the operation, and how many calls of that operation came before: the same seed and the same order of calls
/// give the same faults; with several connections, the order depends on the client. With the settings of `devstack up`
/// loaded:
///
///   devstack proxy --seed 7 --rate 0.05 --env-file proxy.env &
///
///   set -a; . proxy.env; set +a; nearline worker
///
/// `PUT /_devstack/faults` at the proxy's own address takes faults that last until they are replaced, as in
/// [{"service": "dynamodb", "operation": "PutItem", "fault": "throttle"}] or with "access_denied" or {"delay_ms": 2000};
/// [] ends them.
///
/// Only for stand-ins: it changes signed requests, which AWS would refuse.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Where SQS, DynamoDB and S3 are
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    upstream: String,
    /// Where Bedrock is
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME")]
    bedrock_upstream: String,
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 0)]
    port: u16,
    /// Seed of the faults
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The share of calls that meet a fault, 0 to 1
    #[arg(long, value_name = "R", default_value_t = 0.05)]
    rate: f64,
    /// The kinds of faults to choose from, separated by commas; all unless given
    #[arg(long, value_name = "K", value_delimiter = ',')]
    kinds: Vec<FaultKind>,
    /// The longest delay, and the longest time that a slow body takes, in milliseconds
    #[arg(long, value_name = "M", default_value_t = 1_000)]
    max_delay_ms: u64,
    /// By what factor to shorten the waits that ChangeMessageVisibility asks for: with 20, a quarter of an hour becomes
    /// 45 s
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=900))]
    hurry: u32,
    /// Where to write the settings that point an SDK at the proxy; the file is removed when it ends
    #[arg(long, value_name = "F")]
    env_file: Option<PathBuf>,
    /// Where to write the counts as JSON at the end
    #[arg(long, value_name = "F")]
    report: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), DevstackError> {
    let mut stop = Stop::listen()?;
    if let Some(file) = &arguments.env_file {
        claim(file)?;
    }
    let kinds = if arguments.kinds.is_empty() { FaultKind::all().to_vec() } else { arguments.kinds };
    let options = ProxyOptions {
        port: arguments.port,
        seed: arguments.seed,
        rate: arguments.rate,
        kinds,
        max_delay: Duration::from_millis(arguments.max_delay_ms),
        hurry: arguments.hurry,
        ..ProxyOptions::new(arguments.upstream, arguments.bedrock_upstream)
    };
    let proxy = ProxyServer::start(options).await?;
    let settings =
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"].map(|name| (name.to_owned(), proxy.endpoint()));
    if let Some(file) = &arguments.env_file {
        write(file, &settings)?;
    }
    for (name, value) in &settings {
        eprintln!("devstack: {name}={value}");
    }
    stop.asked().await;
    let removed = arguments.env_file.as_deref().map_or(Ok(()), |file| give_up(file, &settings));
    let report = proxy.stop().await;
    eprint!("{}", summary(&report));
    if let Some(file) = &arguments.report {
        let mut json = serde_json::to_vec_pretty(&report).expect("numbers and names always become JSON");
        json.push(b'\n');
        write_atomically(file, &json)?;
    }
    removed
}

/// A line for all, then one for each operation that met a fault.
fn summary(report: &ProxyReport) -> String {
    let ProxyReport { requests, faults, stood, seed, rate, upstream_failures, .. } = report;
    let mut lines = vec![format!(
        "devstack: {requests} calls, {faults} faults (seed {seed}, rate {rate}), {stood} met one that stood, \
         {upstream_failures} calls failed without a plan"
    )];
    for operation in report.operations.iter().filter(|operation| !operation.faults.is_empty()) {
        let faults: Vec<String> = operation.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let (service, name, requests) = (operation.service, &operation.operation, operation.requests);
        lines.push(format!("devstack: {service} {name}: {requests} calls; {}", faults.join(", ")));
    }
    lines.join("\n") + "\n"
}
