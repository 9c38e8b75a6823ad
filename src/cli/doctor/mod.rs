//! `nearline doctor`: looks at everything that a worker needs, changes nothing, and says how to fix what is wrong.
//!
//! A fault is told once, where it is; what depends on it is skipped. What was found is asked for first, by all checks at
//! the same time, and judged after that, as one answer can explain another.

mod catalog;
mod check;
mod credentials;
mod permissions;
mod queues;
mod records;
#[cfg(test)]
mod tests;

use std::time::Duration;

use clap::Args;
use futures_util::future::join4;
use serde::Serialize;
use tokio::time::Instant;

use super::colour;
use super::duration::within;
use super::output::{CliError, json, print};
use crate::aws::Sdk;
use crate::compute::Compute;
use crate::config::{ConfigError, Reader, WorkerSettings};
use check::{Check, Status};
use queues::Expected;

const SETTINGS: &str = "settings";
const UNKNOWN: &str = "settings.unknown";

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// As one JSON object: {"ok", "duration_ms", "checks": [{"id", "status", "found", "fix"}]}
    #[arg(long)]
    json: bool,
    /// Timeout of the Lambda function, such as 60s, to compare the queue's visibility timeout with
    #[arg(long, value_name = "DURATION", value_parser = within(1..=5_400))]
    function_timeout: Option<Duration>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    duration_ms: u64,
    checks: &'a [Check],
}

pub(super) async fn run(args: DoctorArgs) -> Result<(), CliError> {
    let started = Instant::now();
    let reader = Reader::from_process();
    let (unknown, settings) = (reader.unknown(), reader.worker());
    let checks = examine(Sdk::load().await, settings, &unknown, args.function_timeout).await?;
    let failed: Vec<&str> = checks.iter().filter(|check| check.is_failed()).map(|check| check.id).collect();
    let took = started.elapsed();
    if args.json {
        let duration_ms = took.as_millis().try_into().unwrap_or(u64::MAX);
        print(&json(&Report { ok: failed.is_empty(), duration_ms, checks: &checks })?)?;
    } else {
        let lines: Vec<String> = checks.iter().map(Check::to_text).collect();
        colour::print(&format!("{}\n\n{}", lines.join("\n"), summary(&checks, took)))?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(CliError::Other(format!("{} of {} checks failed: {}", failed.len(), checks.len(), failed.join(", "))))
}

fn summary(checks: &[Check], took: Duration) -> String {
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    format!(
        "{} checks in {:.1} s: ok {}, warnings {}, failed {}, skipped {}, not shown {}",
        checks.len(),
        took.as_secs_f64(),
        count(Status::Ok),
        count(Status::Warning),
        count(Status::Failed),
        count(Status::Skipped),
        count(Status::NotShown)
    )
}

/// All checks, always the same and in the same order.
async fn examine(
    sdk: Sdk,
    settings: Result<WorkerSettings, ConfigError>,
    unknown: &[String],
    function_timeout: Option<Duration>,
) -> Result<Vec<Check>, CliError> {
    let (sdk, skew) = sdk.with_skew();
    let queue_url = settings.as_ref().ok().map(|settings| settings.resources.queue_url.as_str());
    let (credentials, region) = (credentials::credentials(&sdk, queue_url).await, credentials::region(&sdk));
    let mut checks = settings_checks(&settings, unknown);
    let blocked = [&credentials, &region].into_iter().find(|check| check.is_failed());
    let blocked = blocked.map(|check| format!("see `{}`", check.id));
    let rest = match settings {
        Err(_) => everything_else().map(|id| Check::skipped(id, format!("see `{SETTINGS}`"))).collect(),
        Ok(settings) => look_around(&sdk, &settings, function_timeout, blocked.as_deref()).await?,
    };
    checks.extend([credentials, region, credentials::clock(skew.difference())]);
    checks.extend(rest);
    Ok(checks)
}

fn everything_else() -> impl Iterator<Item = &'static str> {
    queues::IDS.into_iter().chain(records::IDS).chain(catalog::IDS).chain(permissions::IDS)
}

fn settings_checks(settings: &Result<WorkerSettings, ConfigError>, unknown: &[String]) -> Vec<Check> {
    let faults: Vec<&str> = match settings {
        Ok(_) => Vec::new(),
        // They come with the unknown names, which have a line of their own.
        Err(error) => {
            error.0.iter().map(String::as_str).filter(|fault| !unknown.iter().any(|one| one == fault)).collect()
        }
    };
    vec![
        if faults.is_empty() {
            Check::ok(SETTINGS, "everything a worker needs is set")
        } else {
            Check::failed(SETTINGS, faults.join("; "), "set them in the environment; `nearline --help` lists all")
        },
        if unknown.is_empty() {
            Check::ok(UNKNOWN, "none")
        } else {
            Check::failed(UNKNOWN, unknown.join("; "), "correct the name, or unset it: it is ignored")
        },
    ]
}

/// All that the settings name. `blocked`: why nothing on AWS can be asked.
async fn look_around(
    sdk: &Sdk,
    settings: &WorkerSettings,
    function_timeout: Option<Duration>,
    blocked: Option<&str>,
) -> Result<Vec<Check>, CliError> {
    let (resources, compute) = (&settings.resources, Compute::threads(settings.search_threads)?);
    let catalog = catalog::look(sdk, &settings.intake, compute, blocked);
    if let Some(why) = blocked {
        let skip = |ids: &[&'static str]| ids.iter().map(|id| Check::skipped(id, why)).collect::<Vec<_>>();
        let catalog = catalog.await.checks;
        return Ok([skip(&queues::IDS), skip(&records::IDS), catalog, skip(&permissions::IDS)].concat());
    }
    let (queues, records, catalog, tried) =
        join4(queues::look(sdk, resources), records::look(sdk, resources), catalog, permissions::look(sdk, resources))
            .await;
    let max_attempts = settings.intake.max_attempts;
    let expected = Expected { resources, region: sdk.region(), max_attempts, function_timeout };
    let mut checks = queues::judge(&expected, &queues, tried.sends.as_ref());
    let of_records = records::Tried { reads: &tried.reads, uploads: tried.uploads.as_ref() };
    checks.extend(records::judge(resources, sdk.region(), &records, &of_records));
    checks.extend(catalog.checks.iter().cloned());
    checks.extend(permissions::judge(resources, &queues, &tried, &catalog, &checks));
    Ok(checks)
}
