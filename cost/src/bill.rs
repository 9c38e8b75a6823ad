//! A month's bill, line by line.

use serde::Serialize;

use crate::compute::{Term, fleet, managed, standard, standard_processes};
use crate::line::Line;
use crate::prices::Prices;
use crate::scenario::Scenario;
use crate::services::services;

/// What a month costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// Each thing that is paid for.
    pub lines: Vec<Line>,
    /// All of it, US dollars.
    pub total_usd: f64,
}

impl Bill {
    /// What a line costs; 0 if it is not on the bill.
    pub fn usd(&self, service: &str, what: &str) -> f64 {
        self.lines.iter().filter(|line| line.service == service && line.what == what).map(|line| line.usd).sum()
    }
}

/// The bill on Managed Instances that are paid for as `term` says, or on standard Lambda without one; none if no type of
/// instance that is allowed holds an environment.
pub fn bill(scenario: &Scenario, term: Option<Term>, prices: &Prices) -> Option<Bill> {
    let mut lines = if let Some(term) = term {
        let fleet = fleet(scenario, scenario.peak_rate(), prices);
        let packed = fleet.packed?;
        let services = services(scenario, fleet.environments as f64, Some(packed.instances), prices);
        [managed(scenario, &packed, term, prices), services].concat()
    } else {
        let services = services(scenario, standard_processes(scenario), None, prices);
        [standard(scenario, prices), services].concat()
    };
    lines.retain(|line| line.quantity > 0.0);
    Some(Bill { total_usd: lines.iter().map(|line| line.usd).sum(), lines })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prices::Name;
    use crate::scenario::{Deployment, Network, Workload};

    fn scenario(jobs_per_month: f64) -> Scenario {
        Scenario::default().at(jobs_per_month)
    }

    #[test]
    fn idle_the_default_deployment_costs_its_instances_endpoints_alarms_and_dashboard() {
        let bill = bill(&scenario(0.0), Some(Term::OnDemand), &Prices::default()).unwrap();
        let instances = bill.usd("EC2", "instances") + bill.usd("Lambda", "management fee");
        assert!((instances / 730.0 * 24.0 - 12.01).abs() < 0.01, "{instances}");
        assert!((bill.usd("VPC", "interface endpoints") - 87.6).abs() < 1e-6);
        assert!((bill.usd("CloudWatch", "alarms") - 4.2).abs() < 1e-6);
        assert!((bill.usd("DynamoDB", "writes") + bill.usd("Bedrock", "tokens")).abs() < 1e-9);
    }

    #[test]
    fn the_built_in_queries_of_fifty_million_jobs_cost_eighty_dollars_of_bedrock_not_three() {
        let mut scenario = scenario(50e6);
        scenario.workload.distinct_texts = Some(1_800_000.0);
        scenario.workload.tokens_per_text = 12.3;
        let bill = bill(&scenario, Some(Term::OnDemand), &Prices::default()).unwrap();
        assert!((bill.usd("Bedrock", "tokens") - 81.0).abs() < 2.0, "{}", bill.usd("Bedrock", "tokens"));
        // As if every text, once embedded, stayed: 1.8 million of them.
        let if_all_stayed = Prices::default().cost(Name::BedrockNova, 1.8e6 * 12.3);
        assert!((if_all_stayed - 2.99).abs() < 0.01, "{if_all_stayed}");
    }

    #[test]
    fn standard_lambda_costs_next_to_nothing_idle() {
        let mut idle = scenario(0.0);
        idle.deployment.network = Network::Public;
        let bill = bill(&idle, None, &Prices::default()).unwrap();
        assert!(bill.total_usd < 12.0, "{bill:?}");
        assert!(!bill.lines.iter().any(|line| line.service == "EC2"));
    }

    #[test]
    fn instances_that_hold_no_environment_have_no_bill() {
        let mut scenario = scenario(1e6);
        scenario.deployment.instance_types = vec!["c7g.large".to_owned()];
        assert_eq!(bill(&scenario, Some(Term::OnDemand), &Prices::default()), None);
    }

    proptest! {
        #[test]
        fn more_jobs_never_cost_less(
            jobs in 0.0..1e10_f64, more in 1.0..3.0_f64, term in 0_usize..4, groups in 1.0..50.0_f64, distinct in 0.0..1e7_f64,
        ) {
            let terms = [Some(Term::OnDemand), Some(Term::OneYear), Some(Term::ThreeYears), None];
            let workload = Workload { distinct_texts: Some(distinct), ..Workload::default() };
            let mut scenario = Scenario { workload, deployment: Deployment::default() };
            scenario.workload.answer.groups = groups.floor();
            let prices = Prices::default();
            let total = |jobs: f64| bill(&scenario.at(jobs), terms[term], &prices).unwrap().total_usd;
            // Fuller batches make fewer requests, and fewer lines of log: a part of a cent for each job saved at most.
            prop_assert!(total(jobs * more) >= total(jobs) * 0.999, "{} jobs: {}, {}", jobs, total(jobs), total(jobs * more));
        }

        #[test]
        fn a_bill_is_the_sum_of_its_lines_and_plans_only_lower_it(jobs in 0.0..1e10_f64) {
            let prices = Prices::default();
            let of = |term| bill(&scenario(jobs), Some(term), &prices).unwrap();
            let [on_demand, year, three] = [Term::OnDemand, Term::OneYear, Term::ThreeYears].map(of);
            for bill in [&on_demand, &year, &three] {
                let sum: f64 = bill.lines.iter().map(|line| line.usd).sum();
                prop_assert!((sum - bill.total_usd).abs() < 1e-6 * sum.max(1.0));
            }
            prop_assert!(on_demand.total_usd > year.total_usd && year.total_usd > three.total_usd);
            let saved = on_demand.total_usd - year.total_usd;
            prop_assert!((saved - 0.32 * on_demand.usd("EC2", "instances")).abs() < 1e-6 * on_demand.total_usd);
        }
    }
}
