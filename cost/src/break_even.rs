//! From which load on Managed Instances cost less than standard Lambda.

use crate::bill::bill;
use crate::compute::Term;
use crate::prices::Prices;
use crate::scenario::Scenario;

/// Loads that are looked at, jobs a month: from these to those.
const JOBS_MIN: f64 = 1_000.0;
const JOBS_MAX: f64 = 1e12;
/// Steps of a doubling between them.
const STEPS: i32 = 8;

/// Jobs a month from which on Managed Instances cost less for good; none if they never do.
///
/// Both bills are whole ones, so what differs besides compute counts, too. They have steps (an instance more), so the last
/// load at which standard Lambda is cheaper is looked for on a grid, and then between two points of it.
pub fn break_even(scenario: &Scenario, term: Term, prices: &Prices) -> Option<f64> {
    let cheaper = |jobs: f64| -> Option<bool> {
        let at = scenario.at(jobs);
        Some(bill(&at, Some(term), prices)?.total_usd < bill(&at, None, prices)?.total_usd)
    };
    let ratio = 2_f64.powf(1.0 / f64::from(STEPS));
    let grid: Vec<f64> =
        std::iter::successors(Some(JOBS_MIN), |jobs| (*jobs < JOBS_MAX).then_some(jobs * ratio)).collect();
    let dearer = grid.iter().rposition(|jobs| cheaper(*jobs) != Some(true));
    let (mut low, mut high) = match dearer {
        None => return Some(JOBS_MIN),
        Some(last) => (grid[last], *grid.get(last + 1)?),
    };
    while high - low > 0.5 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if cheaper(middle)? { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Network;

    fn costs(scenario: &Scenario, jobs: f64) -> (f64, f64) {
        let (at, prices) = (scenario.at(jobs), Prices::default());
        (bill(&at, Some(Term::OnDemand), &prices).unwrap().total_usd, bill(&at, None, &prices).unwrap().total_usd)
    }

    #[test]
    fn a_plan_moves_it_down_and_fewer_instances_do() {
        let (scenario, prices) = (Scenario::default(), Prices::default());
        let [on_demand, year, three] =
            [Term::OnDemand, Term::OneYear, Term::ThreeYears].map(|term| break_even(&scenario, term, &prices).unwrap());
        assert!(on_demand > year && year > three, "{on_demand} {year} {three}");
        let mut one = scenario;
        (one.deployment.environments_min, one.deployment.network) = (1, Network::Public);
        assert!(break_even(&one, Term::OnDemand, &prices).unwrap() < on_demand / 2.0);
    }

    #[test]
    fn instances_that_hold_nothing_never_win() {
        let mut scenario = Scenario::default();
        scenario.deployment.instance_types = vec!["c7g.large".to_owned()];
        assert_eq!(break_even(&scenario, Term::OnDemand, &Prices::default()), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_bills_cross_where_it_says(seconds in 0.05..2.0_f64, groups in 1.0..30.0_f64, minimum in 1_u64..6) {
            let mut scenario = Scenario::default();
            scenario.workload.invocation_seconds = seconds;
            scenario.workload.answer.groups = groups.floor();
            scenario.deployment.environments_min = minimum;
            if let Some(jobs) = break_even(&scenario, Term::OnDemand, &Prices::default()) {
                let (managed, standard) = costs(&scenario, jobs);
                prop_assert!(managed < standard, "{jobs}: {managed} {standard}");
                let (managed, standard) = costs(&scenario, jobs - 1.0);
                prop_assert!(managed >= standard * 0.999_999, "{jobs} - 1: {managed} {standard}");
                let (managed, standard) = costs(&scenario, jobs * 5.0);
                prop_assert!(managed < standard, "5 x {jobs}: {managed} {standard}");
            }
        }
    }
}
