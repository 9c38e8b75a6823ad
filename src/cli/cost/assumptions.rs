//! What the figures rest on: each with the option that changes it, and where its default comes from.

use nearline_cost::Scenario;
use serde::Serialize;

use super::figures::number;

/// One assumption.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Assumption {
    /// The option that changes it.
    pub(super) option: &'static str,
    /// What is assumed.
    pub(super) value: String,
    /// Why.
    pub(super) because: &'static str,
}

/// What is left out of every bill.
pub(super) const NOT_COUNTED: &str = "\
Not counted: free tiers, discounts of an account, taxes, transfer out of AWS, the volumes of instances, a second \
version during a deployment, retries, building catalogs.";

pub(super) fn assumptions(scenario: &Scenario) -> Vec<Assumption> {
    let (workload, deployment) = (&scenario.workload, &scenario.deployment);
    let answer = workload.answer;
    let traffic = scenario.traffic(scenario.mean_rate());
    let of = |option, value: String, because| Assumption { option, value, because };
    let texts = match workload.distinct_texts {
        None => "no text comes twice".to_owned(),
        Some(distinct) => format!(
            "{} texts, Zipf {}; a process keeps {}",
            number(distinct),
            number(workload.zipf),
            number(scenario.texts().cache_entries)
        ),
    };
    vec![
        of(
            "--top-k, --groups, --returned-bytes",
            format!(
                "{} matches a record, {} bytes, {} write units",
                number(answer.matches()),
                number(answer.record_bytes()),
                number(answer.write_units())
            ),
            "by DynamoDB's rules for the size of an item",
        ),
        of(
            "--cpu-time",
            format!("{} ms of CPU time a job", number(workload.cpu_seconds * 1e3)),
            "docs/benchmarks.md, default@64 with TLS, on a Xeon; Graviton was not measured",
        ),
        of(
            "--invocation-time",
            format!("{} ms an invocation", number(workload.invocation_seconds * 1e3)),
            "between what `make bench-path` measured, with a model that takes 100 ms, and slower models",
        ),
        of(
            "--jobs-per-batch",
            format!("{} jobs an invocation", number(traffic.jobs_per_batch)),
            "a mapping without a window starts with five invocations at once, and fills batches before it adds more",
        ),
        of(
            "--target-utilisation",
            format!("{} % of slots and processors", number(deployment.target_utilisation * 100.0)),
            "Lambda keeps room for traffic to double",
        ),
        of(
            "--peak-factor",
            format!("the fleet is for {} times the mean rate, all month", number(workload.peak_factor)),
            "1: the load is even",
        ),
        of("--distinct-texts, --zipf", texts, "each process has a cache of its own, of 32 MiB"),
        of(
            "--tokens-per-text",
            format!("{} tokens a text", number(workload.tokens_per_text)),
            "four characters a token",
        ),
        of(
            "--reads-per-job",
            format!("{} look-ups of a record", number(workload.reads_per_job)),
            "eventually consistent",
        ),
        of(
            "--message-bytes, --jobs-per-send",
            format!("{} bytes, {} a request", number(workload.message_bytes), number(workload.jobs_per_send)),
            "for the mapping's bytes a second, 1,000 more around each",
        ),
        of(
            "--results-ttl, --log-retention",
            format!(
                "records {} days and two, log lines {}",
                number(deployment.results_days),
                number(deployment.log_days)
            ),
            "a line has 600 bytes, a process writes one a second at most; Lambda's own 500 an invocation",
        ),
        of("--hours-per-month", format!("{} hours", number(workload.hours_per_month)), "a twelfth of a year"),
    ]
}
