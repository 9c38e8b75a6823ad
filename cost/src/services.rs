//! Lines of everything but compute.

use crate::GB;
use crate::line::Line;
use crate::packing::ZONES;
use crate::prices::{Name, Prices};
use crate::scenario::{Deployment, Network, Scenario};

/// SQS bills a request for each 64 KiB that it started.
const SQS_CHUNK_BYTES: f64 = 65_536.0;
/// An idle mapping asks the queue with five pollers, each for 20 s.
const IDLE_RECEIVES_PER_SECOND: f64 = 5.0 / 20.0;
/// A line of the log, and how often a process that is busy writes one (docs/operations.md, "Log lines").
const LINE_BYTES: f64 = 600.0;
const LINES_PER_SECOND: f64 = 1.0;
/// Lambda's own lines of an invocation, `platform.start` and `platform.report`, at its default level: about so much.
const PLATFORM_LINES_BYTES: f64 = 500.0;
/// CloudWatch stores log lines compressed, to about this part.
const LOG_COMPRESSED: f64 = 0.15;
/// nearline's own metrics, what its alarms watch, and the same without instances (docs/deployment.md).
const METRICS: f64 = 23.0;
const ALARMS_MANAGED: f64 = 42.0;
const ALARMS_STANDARD: f64 = 33.0;
/// Metrics of the alarm that a FIFO queue does not have.
const ALARMS_OF_FAIR_QUEUES: f64 = 2.0;
/// Interface endpoints: sqs, bedrock-runtime, logs, xray; a standard function needs the first two.
const ENDPOINTS_MANAGED: f64 = 4.0;
const ENDPOINTS_STANDARD: f64 = 2.0;
/// What a call of a model takes besides the numbers of its answer: headers, request, TLS; and a number of it as text.
const CALL_BYTES: f64 = 2_000.0;
const NUMBER_BYTES: f64 = 12.0;
/// X-Ray's default on Lambda: the first request of each second, and 5 % of the others.
const TRACES_FIRST: f64 = 1.0;
const TRACES_SHARE: f64 = 0.05;
/// How long SQS and DynamoDB keep a data key before they ask KMS again, and how many clients of theirs ask.
const KEY_REUSED_SECONDS: f64 = 300.0;
const KEY_USERS: f64 = 10.0;
/// Versions of the catalog that the bucket holds, and how often a process asks for a newer one, seconds.
const CATALOG_VERSIONS: f64 = 5.0;
const REFRESH_SECONDS: f64 = 60.0;

/// The lines, for as many processes; `instances` on Managed Instances only.
pub(crate) fn services(scenario: &Scenario, processes: f64, instances: Option<u64>, prices: &Prices) -> Vec<Line> {
    let embedded = scenario.embedded(processes);
    [
        queue(scenario, prices),
        table(scenario, prices),
        bucket(scenario, processes, prices),
        vec![tokens(scenario, embedded, prices)],
        watching(scenario, processes, instances.is_some(), prices),
        network(scenario, embedded, instances, prices),
        keys(&scenario.deployment, scenario.seconds(), prices),
    ]
    .concat()
}

fn queue(scenario: &Scenario, prices: &Prices) -> Vec<Line> {
    let workload = &scenario.workload;
    let name = if scenario.deployment.fifo { Name::SqsFifo } else { Name::SqsStandard };
    let traffic = scenario.traffic(scenario.mean_rate());
    let batches = traffic.invocations * scenario.seconds();
    let chunks = |jobs: f64| (jobs * workload.message_bytes / SQS_CHUNK_BYTES).ceil().max(1.0);
    let sends = workload.jobs_per_month / workload.jobs_per_send;
    let per_batch = traffic.jobs_per_batch;
    // A request moves ten messages at most, however large a batch is.
    let requests = batches * (per_batch / 10.0).ceil().max(1.0);
    let idle = (IDLE_RECEIVES_PER_SECOND * scenario.seconds() - requests).max(0.0);
    let line = |what, requests: f64| Line::new("SQS", what, requests, "requests", prices.cost(name, requests));
    let mut lines = vec![
        line("sends", sends * chunks(workload.jobs_per_send)),
        line("receives", requests * chunks(per_batch.min(10.0))),
        line("receives in vain", idle),
        line("deletions", requests),
    ];
    if let Some((fewest, _)) = scenario.deployment.pollers {
        let hours = fewest * workload.hours_per_month;
        lines.push(Line::new("Lambda", "provisioned pollers", hours, "hours", prices.cost(Name::Poller, hours)));
    }
    lines
}

fn table(scenario: &Scenario, prices: &Prices) -> Vec<Line> {
    let workload = &scenario.workload;
    let (jobs, answer) = (workload.jobs_per_month, workload.answer);
    // A look-up before the work finds nothing: half a unit, as it is eventually consistent.
    let (look_ups, writes) = (jobs * 0.5, jobs * answer.write_units());
    let reads = jobs * workload.reads_per_job * answer.read_units();
    let kept = scenario.kept_gb(answer.record_bytes() + 100.0);
    let line = |what, name, quantity, unit| Line::new("DynamoDB", what, quantity, unit, prices.cost(name, quantity));
    vec![
        line("look-ups", Name::DynamoRead, look_ups, "read units"),
        line("writes", Name::DynamoWrite, writes, "write units"),
        line("reads by those who asked", Name::DynamoRead, reads, "read units"),
        line("storage", Name::DynamoStorage, kept, "GB"),
        line("point-in-time recovery", Name::DynamoRecovery, kept, "GB"),
    ]
}

fn bucket(scenario: &Scenario, processes: f64, prices: &Prices) -> Vec<Line> {
    let workload = &scenario.workload;
    let line = |what, name, quantity, unit| Line::new("S3", what, quantity, unit, prices.cost(name, quantity));
    let looks = processes * scenario.seconds() / REFRESH_SECONDS;
    let catalogs = CATALOG_VERSIONS * scenario.deployment.file_bytes() / GB;
    let mut lines = vec![
        line("catalog, looks for a newer one", Name::S3Get, looks, "requests"),
        line("catalog, storage", Name::S3Storage, catalogs, "GB"),
    ];
    if workload.answer.is_spilled() {
        let jobs = workload.jobs_per_month;
        lines.extend([
            line("large results, writes", Name::S3Put, jobs, "requests"),
            line("large results, reads", Name::S3Get, jobs * workload.reads_per_job, "requests"),
            line("large results, storage", Name::S3Storage, scenario.kept_gb(workload.answer.results_bytes()), "GB"),
        ]);
    }
    lines
}

fn tokens(scenario: &Scenario, embedded: f64, prices: &Prices) -> Line {
    let tokens = embedded * scenario.workload.tokens_per_text;
    let name = scenario.deployment.model.price();
    Line::new("Bedrock", "tokens", tokens, "tokens", prices.cost(name, tokens))
}

fn log_bytes(scenario: &Scenario, processes: f64) -> f64 {
    let lines = scenario.traffic(scenario.mean_rate()).invocations.min(processes * LINES_PER_SECOND);
    lines * LINE_BYTES * scenario.seconds()
}

fn watching(scenario: &Scenario, processes: f64, managed: bool, prices: &Prices) -> Vec<Line> {
    let (deployment, busy) = (&scenario.deployment, scenario.workload.jobs_per_month > 0.0);
    let own = log_bytes(scenario, processes) / GB;
    let invocations = scenario.traffic(scenario.mean_rate()).invocations;
    let platform = invocations * scenario.seconds() * PLATFORM_LINES_BYTES / GB;
    let months = deployment.log_days * 24.0 / scenario.workload.hours_per_month;
    let line = |what, name, quantity, unit| Line::new("CloudWatch", what, quantity, unit, prices.cost(name, quantity));
    let alarms = if managed { ALARMS_MANAGED } else { ALARMS_STANDARD };
    let alarms = alarms - if deployment.fifo { ALARMS_OF_FAIR_QUEUES } else { 0.0 };
    let mut lines = vec![
        line("log lines", Name::LogsIngestion, own, "GB"),
        line("log lines of Lambda's own", Name::LogsIngestion, platform, "GB"),
        line("log lines, storage", Name::LogsStorage, (own + platform) * LOG_COMPRESSED * months, "GB"),
        line("metrics", Name::Metric, if busy { METRICS } else { 0.0 }, "metrics"),
        line("alarms", Name::Alarm, alarms, "metrics"),
        line("dashboard", Name::Dashboard, if managed { 1.0 } else { 0.0 }, "dashboard"),
    ];
    if deployment.tracing {
        let first = invocations.min(TRACES_FIRST);
        let traces = (first + (invocations - first) * TRACES_SHARE) * scenario.seconds();
        lines.push(Line::new("X-Ray", "traces", traces, "traces", prices.cost(Name::Trace, traces)));
    }
    lines
}

fn network(scenario: &Scenario, embedded: f64, instances: Option<u64>, prices: &Prices) -> Vec<Line> {
    let (deployment, hours) = (&scenario.deployment, scenario.workload.hours_per_month);
    let calls = embedded * (CALL_BYTES + NUMBER_BYTES * deployment.dimension) / GB;
    let line = |what, name, quantity, unit| Line::new("VPC", what, quantity, unit, prices.cost(name, quantity));
    match deployment.network {
        Network::Endpoints => {
            let services = if instances.is_some() { ENDPOINTS_MANAGED } else { ENDPOINTS_STANDARD };
            let endpoints = services * ZONES as f64 * hours;
            vec![
                line("interface endpoints", Name::Endpoint, endpoints, "hours"),
                line("interface endpoints, data", Name::EndpointData, calls, "GB"),
            ]
        }
        Network::Nat => vec![
            line("NAT gateways", Name::Nat, ZONES as f64 * hours, "hours"),
            line("NAT gateways, data", Name::NatData, calls, "GB"),
        ],
        // A standard function is in no network of ours then.
        Network::Public => {
            let addresses = instances.unwrap_or(0) as f64 * hours;
            vec![line("public addresses", Name::Address, addresses, "hours")]
        }
    }
}

fn keys(deployment: &Deployment, seconds: f64, prices: &Prices) -> Vec<Line> {
    if !deployment.customer_key {
        return Vec::new();
    }
    let requests = KEY_USERS * seconds / KEY_REUSED_SECONDS;
    vec![
        Line::new("KMS", "key", 1.0, "key", prices.cost(Name::Key, 1.0)),
        Line::new("KMS", "requests", requests, "requests", prices.cost(Name::KeyRequest, requests)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(change: impl Fn(&mut Scenario), jobs: f64) -> Vec<Line> {
        let mut scenario = Scenario::default().at(jobs);
        change(&mut scenario);
        services(&scenario, 3.0, Some(3), &Prices::default())
    }

    fn usd(lines: &[Line], service: &str) -> f64 {
        lines.iter().filter(|line| line.service == service).map(|line| line.usd).sum()
    }

    fn quantity(lines: &[Line], what: &str) -> f64 {
        lines.iter().find(|line| line.what == what).map_or(0.0, |line| line.quantity)
    }

    #[test]
    fn log_lines_take_six_hundred_bytes_a_lone_job_and_little_at_a_high_rate() {
        let bytes = |jobs| quantity(&lines(|_| {}, jobs), "log lines") * GB / jobs;
        assert!((bytes(1e6) - 600.0).abs() < 1e-6);
        // 250 jobs a second in batches of ten are 25 lines; three processes write three.
        let rate = 250.0 * 730.0 * 3_600.0;
        assert!((bytes(rate) - 3.0 * 600.0 / 250.0).abs() < 1e-6);
    }

    #[test]
    fn messages_of_more_than_a_chunk_cost_more_requests() {
        let small = lines(|_| {}, 1e6);
        let large = lines(|scenario| scenario.workload.message_bytes = 65_536.0, 1e6);
        assert!((quantity(&large, "sends") / quantity(&small, "sends") - 10.0).abs() < 1e-9);
        assert!((quantity(&large, "receives") - quantity(&small, "receives")).abs() < 1e-9);
    }

    #[test]
    fn a_busy_mapping_asks_in_vain_for_nothing() {
        assert!((quantity(&lines(|_| {}, 0.0), "receives in vain") - 657_000.0).abs() < 1e-6);
        assert!(quantity(&lines(|_| {}, 1e9), "receives in vain") < 1e-9);
    }

    #[test]
    fn each_network_has_lines_of_its_own() {
        let with = |network| lines(|scenario| scenario.deployment.network = network, 1e6);
        assert!((usd(&with(Network::Nat), "VPC") - 3.0 * 730.0 * 0.045).abs() < 1.0);
        assert!((usd(&with(Network::Public), "VPC") - 3.0 * 730.0 * 0.005).abs() < 1e-6);
        assert!((quantity(&with(Network::Endpoints), "interface endpoints") - 12.0 * 730.0).abs() < 1e-6);
    }

    #[test]
    fn large_results_move_from_the_table_to_the_bucket() {
        let large = lines(|scenario| scenario.workload.answer.top_k = 1_000.0, 1e6);
        assert!((quantity(&large, "writes") - 1e6).abs() < 1e-6);
        assert!((quantity(&large, "large results, writes") - 1e6).abs() < 1e-6);
    }

    #[test]
    fn traces_are_the_first_of_each_second_and_a_twentieth_of_the_others() {
        let traces = |jobs| quantity(&lines(|_| {}, jobs), "traces");
        assert!((traces(1e6) - 1e6).abs() < 1e-6);
        let month = 730.0 * 3_600.0;
        assert!((traces(500.0 * month) / month - (1.0 + 49.0 * 0.05)).abs() < 1e-6);
        let without = lines(|scenario| scenario.deployment.tracing = false, 1e6);
        assert!(usd(&without, "X-Ray").abs() < 1e-12);
    }
}
