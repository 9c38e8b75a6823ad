//! What computes the answers, and what that costs: instances with Lambda's fee, or duration on standard Lambda.

use serde::Serialize;

use crate::line::Line;
use crate::packing::{Packed, cheapest};
use crate::prices::{Architecture, Name, Prices};
use crate::scenario::Scenario;

/// How the instances are paid for.
///
/// A plan takes its discount off EC2's price alone. The fee stays 15 % of the on-demand price, as the example on Lambda's
/// pricing page has it, and requests cost what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Term {
    /// By the hour.
    OnDemand,
    /// A savings plan of one year.
    OneYear,
    /// A savings plan of three years.
    ThreeYears,
}

impl Term {
    /// The part of EC2's price that is taken off.
    pub(crate) fn discount(self, prices: &Prices) -> f64 {
        match self {
            Self::OnDemand => 0.0,
            Self::OneYear => prices.cost(Name::PlanOneYear, 1.0),
            Self::ThreeYears => prices.cost(Name::PlanThreeYears, 1.0),
        }
    }
}

/// The environments that a rate takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fleet {
    /// How many.
    pub environments: u64,
    /// How many CPU time alone would take.
    pub by_cpu: u64,
    /// How many invocations at once alone would take.
    pub by_slots: u64,
    /// Of all their vCPUs, how many are busy.
    pub cpu_utilisation: f64,
    /// Of all their slots, how many are taken.
    pub slot_utilisation: f64,
    /// On which instances; none if no type that is allowed holds an environment.
    pub packed: Option<Packed>,
}

/// The fleet for a rate, on the cheapest instances.
pub fn fleet(scenario: &Scenario, rate: f64, prices: &Prices) -> Fleet {
    let (workload, deployment) = (&scenario.workload, &scenario.deployment);
    let busy = rate * workload.cpu_seconds;
    let in_flight = scenario.traffic(rate).in_flight;
    let each =
        |needed: f64, of_one: f64| (needed / (of_one * deployment.target_utilisation) - 1e-9).ceil().max(0.0) as u64;
    let (vcpu, slots) = (deployment.environment.vcpu(), deployment.slots());
    let (by_cpu, by_slots) = (each(busy, vcpu), each(in_flight, slots));
    let environments = by_cpu.max(by_slots).max(deployment.environments_min).max(1);
    let all = environments as f64;
    Fleet {
        environments,
        by_cpu,
        by_slots,
        cpu_utilisation: busy / (all * vcpu),
        slot_utilisation: in_flight / (all * slots),
        packed: cheapest(
            deployment.environment,
            environments,
            deployment.architecture,
            &deployment.instance_types,
            prices,
        ),
    }
}

/// US dollars for hours of instances: EC2's part and Lambda's.
pub(crate) fn instance_cost(hours: f64, usd_per_hour: f64, discount: f64, prices: &Prices) -> (f64, f64) {
    (hours * usd_per_hour * (1.0 - discount), prices.cost(Name::ManagedFee, hours * usd_per_hour))
}

/// Lines of Managed Instances.
pub(crate) fn managed(scenario: &Scenario, packed: &Packed, term: Term, prices: &Prices) -> Vec<Line> {
    let hours = packed.instances as f64 * scenario.workload.hours_per_month;
    let (ec2, fee) = instance_cost(hours, packed.instance.usd_per_hour, term.discount(prices), prices);
    vec![
        Line::new("EC2", "instances", hours, "hours", ec2),
        Line::new("Lambda", "management fee", hours, "hours", fee),
        requests(scenario, prices),
    ]
}

/// Lines of standard Lambda: what each invocation takes, whatever it waits for.
pub(crate) fn standard(scenario: &Scenario, prices: &Prices) -> Vec<Line> {
    let invocations = scenario.traffic(scenario.mean_rate()).invocations * scenario.seconds();
    let (seconds, gib) =
        (scenario.workload.invocation_seconds, f64::from(scenario.deployment.standard_memory_mib) / 1_024.0);
    let duration = duration_cost(invocations, seconds, gib, scenario.deployment.architecture, prices);
    vec![Line::new("Lambda", "duration", invocations * seconds * gib, "GB-s", duration), requests(scenario, prices)]
}

/// US dollars for the duration of invocations on standard Lambda.
pub(crate) fn duration_cost(
    invocations: f64,
    seconds: f64,
    gib: f64,
    architecture: Architecture,
    prices: &Prices,
) -> f64 {
    let name = match architecture {
        Architecture::Arm64 => Name::LambdaArm,
        Architecture::X86 => Name::LambdaX86,
    };
    prices.cost(name, invocations * seconds * gib)
}

fn requests(scenario: &Scenario, prices: &Prices) -> Line {
    let invocations = scenario.traffic(scenario.mean_rate()).invocations * scenario.seconds();
    Line::new("Lambda", "requests", invocations, "requests", prices.cost(Name::LambdaRequest, invocations))
}

/// Processes of standard Lambda: one for each invocation at once.
pub(crate) fn standard_processes(scenario: &Scenario) -> f64 {
    scenario.traffic(scenario.mean_rate()).in_flight.ceil().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rate: f64) -> Fleet {
        fleet(&Scenario::default(), rate, &Prices::default())
    }

    #[test]
    fn three_environments_answer_until_their_slots_or_processors_are_half_taken() {
        let quiet = at(10.0);
        assert_eq!((quiet.environments, quiet.by_cpu, quiet.by_slots), (3, 1, 1));
        // 1,800 jobs a second are 180 invocations of 0.2 s: 36 of 72 slots; and 1.512 of 9 vCPUs.
        let full = at(1_800.0);
        assert_eq!((full.environments, full.by_cpu, full.by_slots), (3, 2, 3));
        assert!((full.slot_utilisation - 0.5).abs() < 1e-9 && (full.cpu_utilisation - 0.168).abs() < 1e-9);
        assert_eq!(at(1_900.0).environments, 4);
    }

    #[test]
    fn a_plan_takes_its_part_off_ec2_and_none_off_the_fee() {
        // The example of Lambda's pricing page: 2,000 hours of m7g.xlarge, 72 % off.
        let (ec2, fee) = instance_cost(2_000.0, 0.1632, 0.72, &Prices::default());
        assert!((ec2 - 91.39).abs() < 0.01 && (fee - 48.96).abs() < 0.01, "{ec2} {fee}");
    }
}
