//! What a rate needs, and which limit it meets first.
//!
//! Limits are AWS's documented quotas, or settings of Terraform. Each says what to do about it. Of what grows with the
//! rate, the rate at which the limit is reached follows; memory does not.

use serde::Serialize;

use crate::compute::Fleet;
use crate::scenario::{Model, Scenario};

/// A standard mapping on Managed Instances hands over so many bytes a second, which "cannot be increased".
const MAPPING_BYTES: f64 = 5e6;
/// Invocations at once by a standard mapping.
const MAPPING_INVOCATIONS: f64 = 1_250.0;
/// A provisioned poller: bytes a second, and invocations at once.
const POLLER_BYTES: f64 = 1e6;
const POLLER_INVOCATIONS: f64 = 10.0;
/// Messages of a queue in flight.
const SQS_IN_FLIGHT: f64 = 120_000.0;
/// Units a second of a partition of DynamoDB, and of a table on demand by default.
const PARTITION_WRITES: f64 = 1_000.0;
const TABLE_UNITS: f64 = 40_000.0;
/// Reads a second that a new table takes.
const NEW_TABLE_READS: f64 = 12_000.0;
/// vCPUs of a capacity provider.
const PROVIDER_VCPU: f64 = 15_000.0;
/// Calls of the model at once in a process: `NEARLINE_EMBEDDING_MAX_CONCURRENCY`.
const MODEL_CALLS: f64 = 32.0;

/// One limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// What is limited.
    pub what: &'static str,
    /// How much the rate needs.
    pub needed: f64,
    /// How much there is; none if nobody said.
    pub allowed: Option<f64>,
    /// Of what.
    pub unit: &'static str,
    /// Needed by allowed.
    pub used: Option<f64>,
    /// Jobs a second at which it is reached; none if the rate has no part in it.
    pub reached_at: Option<f64>,
    /// What to do then.
    pub remedy: String,
}

/// All limits at a rate, the nearest first; those that nobody knows last.
pub fn limits(scenario: &Scenario, rate: f64, fleet: &Fleet) -> Vec<Limit> {
    let mut found = mapping(scenario, rate);
    found.extend(instances(scenario, rate, fleet));
    found.extend(table(scenario, rate));
    found.extend(model(scenario, rate, fleet));
    found.extend(memory(scenario));
    found.sort_by(|a, b| b.used.unwrap_or(-1.0).total_cmp(&a.used.unwrap_or(-1.0)));
    found
}

/// A limit that grows with the rate.
fn growing(
    what: &'static str,
    rate: f64,
    needed: f64,
    allowed: Option<f64>,
    unit: &'static str,
    remedy: &str,
) -> Limit {
    let used = allowed.map(|allowed| needed / allowed);
    let reached_at = used.filter(|used| *used > 0.0).map(|used| rate / used);
    Limit { what, needed, allowed, unit, used, reached_at, remedy: remedy.to_owned() }
}

fn mapping(scenario: &Scenario, rate: f64) -> Vec<Limit> {
    let (traffic, deployment) = (scenario.traffic(rate), &scenario.deployment);
    let (bytes, invocations, remedy) = match deployment.pollers {
        Some((_, most)) => (most * POLLER_BYTES, most * POLLER_INVOCATIONS, "raise the most of provisioned_pollers"),
        None => (MAPPING_BYTES, MAPPING_INVOCATIONS, "set provisioned_pollers: 1 MB/s or 10 invocations each"),
    };
    let needed = (traffic.payload_bytes / POLLER_BYTES).max(traffic.in_flight / POLLER_INVOCATIONS).ceil();
    let remedy = format!("{remedy}; this rate takes {needed}");
    let in_flight = rate * scenario.workload.invocation_seconds;
    vec![
        growing("mapping: bytes", rate, traffic.payload_bytes / 1e6, Some(bytes / 1e6), "MB/s", &remedy),
        growing("mapping: invocations at once", rate, traffic.in_flight, Some(invocations), "", &remedy),
        growing(
            "queue: messages in flight",
            rate,
            in_flight,
            Some(SQS_IN_FLIGHT),
            "",
            "shorter invocations, or a second queue",
        ),
    ]
}

fn instances(scenario: &Scenario, rate: f64, fleet: &Fleet) -> Vec<Limit> {
    let deployment = &scenario.deployment;
    let environments = fleet.environments as f64;
    // A fleet at its minimum has room that the rate has not used.
    let wanted = fleet.by_cpu.max(fleet.by_slots) as f64;
    let vcpu = fleet.packed.as_ref().map_or(0.0, |packed| packed.instances as f64 * packed.instance.vcpu);
    let most = deployment.environments_max as f64;
    let at = |share: f64, most: f64| {
        (wanted > deployment.environments_min as f64 && share > 0.0).then(|| rate * most / share)
    };
    let limit = |what, needed: f64, most: f64, remedy: &str| Limit {
        what,
        needed,
        allowed: Some(most),
        unit: "",
        used: Some(needed / most),
        reached_at: at(needed, most),
        remedy: remedy.to_owned(),
    };
    let mut found =
        vec![limit("environments", environments, most, "raise execution_environments.max, or the environment's size")];
    if vcpu > 0.0 {
        let ceiling = deployment.max_vcpu_count.min(PROVIDER_VCPU);
        let remedy = if deployment.max_vcpu_count < PROVIDER_VCPU {
            "raise max_vcpu_count; a deployment runs two versions for a while, so leave room for twice the fleet"
        } else {
            "a second capacity provider with its own queue"
        };
        found.push(limit("vCPUs of the instances", vcpu, ceiling, remedy));
    }
    found
}

fn table(scenario: &Scenario, rate: f64) -> Vec<Limit> {
    let (answer, deployment) = (scenario.workload.answer, &scenario.deployment);
    let writes = rate * answer.write_units();
    let reads = rate * (0.5 + scenario.workload.reads_per_job * answer.read_units());
    let partitions = (writes / PARTITION_WRITES).ceil().max(1.0);
    let warm = format!("raise warm_throughput before the load comes ({partitions} partitions of 1,000 a second)");
    let quota = "raise the table's quota by Service Quotas";
    let mut found = vec![
        growing("table: writes", rate, writes, Some(deployment.table_writes_per_second), "units/s", &warm),
        growing(
            "table: reads",
            rate,
            reads,
            Some(NEW_TABLE_READS.max(deployment.table_writes_per_second)),
            "units/s",
            &warm,
        ),
    ];
    if deployment.table_writes_per_second < TABLE_UNITS {
        found.push(growing("table: quota of writes", rate, writes, Some(TABLE_UNITS), "units/s", quota));
    }
    found
}

fn model(scenario: &Scenario, rate: f64, fleet: &Fleet) -> Vec<Limit> {
    let (workload, deployment) = (&scenario.workload, &scenario.deployment);
    let jobs = workload.jobs_per_month.max(1.0);
    let share = scenario.embedded(fleet.environments as f64) / jobs;
    let texts = rate * share * 60.0;
    // Texts that wait share a call, where the model takes several.
    let per_call = if deployment.model == Model::Nova || deployment.model == Model::TitanV2 {
        1.0
    } else {
        (scenario.traffic(rate).jobs_per_batch * share).clamp(1.0, deployment.model.texts_per_call())
    };
    let ask =
        "ask for a higher quota of the model in this region, set embedding_fleet_requests_per_minute to what there is";
    let calls = texts / per_call / 60.0 * workload.embedding_seconds;
    let room = fleet.environments as f64 * MODEL_CALLS;
    vec![
        growing("Bedrock: requests a minute", rate, texts / per_call, deployment.model_requests_per_minute, "", ask),
        growing(
            "Bedrock: tokens a minute",
            rate,
            texts * workload.tokens_per_text,
            deployment.model_tokens_per_minute,
            "",
            ask,
        ),
        growing("Bedrock: calls at once", rate, calls, Some(room), "", "raise embedding_max_concurrency"),
    ]
}

fn memory(scenario: &Scenario) -> Vec<Limit> {
    let deployment = &scenario.deployment;
    let gib = |bytes: f64| bytes / 1_073_741_824.0;
    let allowed = deployment.environment.gib();
    let limit = |what, bytes: f64, remedy: &str| Limit {
        what,
        needed: gib(bytes),
        allowed: Some(allowed),
        unit: "GiB",
        used: Some(gib(bytes) / allowed),
        reached_at: None,
        remedy: remedy.to_owned(),
    };
    vec![
        limit(
            "memory: catalog",
            deployment.catalog_bytes(),
            "more memory_mib, fewer dimensions, or catalogs by tenant",
        ),
        limit("memory: while a newer catalog loads", deployment.refresh_bytes(), "more memory_mib"),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compute::fleet;
    use crate::prices::Prices;

    fn at(rate: f64, change: impl Fn(&mut Scenario)) -> Vec<Limit> {
        let mut scenario = Scenario::default();
        change(&mut scenario);
        let scenario = scenario.at(rate * scenario.seconds());
        limits(&scenario, rate, &fleet(&scenario, rate, &Prices::default()))
    }

    fn named<'a>(limits: &'a [Limit], what: &str) -> &'a Limit {
        limits.iter().find(|limit| limit.what == what).unwrap()
    }

    #[test]
    fn a_new_table_is_what_large_records_meet_first() {
        let found = at(5_000.0, |_| {});
        assert_eq!(found[0].what, "table: writes");
        assert!((found[0].used.unwrap() - 5_000.0 * 5.0 / 4_000.0).abs() < 1e-9);
        assert!((found[0].reached_at.unwrap() - 800.0).abs() < 1e-6);
        let warm = at(5_000.0, |scenario| scenario.deployment.table_writes_per_second = 40_000.0);
        let mapping = named(&warm, "mapping: bytes");
        assert!((mapping.used.unwrap() - 1.2).abs() < 1e-9 && mapping.remedy.contains("takes 10"), "{mapping:?}");
    }

    #[test]
    fn a_quota_that_nobody_gave_stands_last_and_says_what_is_needed() {
        let found = at(100.0, |_| {});
        let requests = named(&found, "Bedrock: requests a minute");
        assert_eq!((requests.allowed, requests.used), (None, None));
        assert!((requests.needed - 6_000.0).abs() < 1e-6);
        assert!(found.iter().rev().take(2).all(|limit| limit.used.is_none()));
        let given = at(100.0, |scenario| scenario.deployment.model_requests_per_minute = Some(2_000.0));
        assert_eq!((given[0].what, given[0].reached_at.map(f64::round)), ("Bedrock: requests a minute", Some(33.0)));
    }

    #[test]
    fn a_model_that_takes_several_texts_is_called_less_often() {
        let cohere = at(1_000.0, |scenario| scenario.deployment.model = Model::CohereV3);
        assert!((named(&cohere, "Bedrock: requests a minute").needed - 6_000.0).abs() < 1e-6);
    }

    #[test]
    fn provisioned_pollers_move_both_limits_of_the_mapping() {
        let found = at(10_000.0, |scenario| scenario.deployment.pollers = Some((2.0, 100.0)));
        assert_eq!(named(&found, "mapping: bytes").allowed, Some(100.0));
        assert_eq!(named(&found, "mapping: invocations at once").allowed, Some(1_000.0));
    }

    #[test]
    fn a_catalog_that_is_too_large_is_the_first_limit_at_any_rate() {
        let found = at(1.0, |scenario| scenario.deployment.rows = 5e6);
        assert_eq!(found[0].what, "memory: while a newer catalog loads");
        assert!(found[0].used.unwrap() > 1.0 && found[0].reached_at.is_none());
    }

    proptest! {
        #[test]
        fn a_limit_is_reached_at_the_rate_that_it_says(rate in 50.0..20_000.0_f64) {
            for limit in at(rate, |scenario| scenario.workload.jobs_per_batch = Some(10.0)) {
                let Some(reached) = limit.reached_at.filter(|_| !limit.what.starts_with("vCPUs")) else { continue };
                let there = at(reached, |scenario| scenario.workload.jobs_per_batch = Some(10.0));
                let used = named(&there, limit.what).used.unwrap();
                // Environments come whole, and calls at once share them.
                prop_assert!((used - 1.0).abs() < 0.35 || limit.what.contains("calls"), "{}: {used} at {reached}", limit.what);
            }
        }
    }
}
