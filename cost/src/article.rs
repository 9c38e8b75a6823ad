//! The cost tables of the article "Lambda Managed Instances with Terraform", worked out from its own inputs.
//!
//! They are what this crate's sums are checked against: with the article's assumptions, its figures have to come out.

use serde::Serialize;

use crate::compute::{Term, duration_cost, instance_cost};
use crate::prices::{Architecture, Name, Prices};

/// Its month, hours.
const HOURS: f64 = 720.0;
/// Its price of c7g.medium, which is that of c6g.medium: c7g.medium costs $0.0363.
const USD_PER_HOUR: f64 = 0.034;
/// Requests a second that it gives an instance.
const REQUESTS_PER_SECOND: f64 = 50.0;
/// Memory and duration of its function.
const GIB: f64 = 4.0;
const SECONDS: f64 = 0.2;
/// Its discount of a plan of one year. It takes the fee of the discounted price.
const DISCOUNT: f64 = 0.36;

/// What the article prints for a number of requests a month.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Printed {
    /// Requests a month.
    pub requests: f64,
    /// Instances.
    pub instances: f64,
    /// Standard Lambda, US dollars.
    pub standard: f64,
    /// Managed Instances on demand.
    pub on_demand: f64,
    /// Managed Instances with a plan of one year.
    pub one_year: f64,
}

/// Its table.
pub const ARTICLE: [Printed; 5] = [
    printed(1e6, 1.0, 11.0, 28.0, 18.0),
    printed(10e6, 1.0, 109.0, 30.0, 20.0),
    printed(50e6, 1.0, 546.0, 38.0, 28.0),
    printed(100e6, 1.0, 1_091.0, 48.0, 38.0),
    printed(500e6, 4.0, 5_456.0, 212.0, 172.0),
];

const fn printed(requests: f64, instances: f64, standard: f64, on_demand: f64, one_year: f64) -> Printed {
    Printed { requests, instances, standard, on_demand, one_year }
}

/// A line of it, as printed and as it comes out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArticleRow {
    /// As printed.
    pub printed: Printed,
    /// By the article's formula.
    pub computed: Printed,
    /// With a plan of one year and the fee as AWS takes it, of the on-demand price.
    pub one_year_with_aws_fee: f64,
    /// What the function of 4 GiB takes: three instances of the cheapest type that holds it, on demand.
    pub on_demand_that_fits: f64,
}

/// The table.
pub fn article(prices: &Prices) -> Vec<ArticleRow> {
    ARTICLE
        .iter()
        .map(|printed| {
            let requests = printed.requests;
            let fits = prices.instance("c7g.xlarge").map_or(USD_PER_HOUR, |one| one.usd_per_hour);
            ArticleRow {
                printed: *printed,
                computed: Printed {
                    requests,
                    instances: instances(requests),
                    standard: standard(requests, prices),
                    on_demand: managed(requests, 0.0, prices),
                    one_year: managed_with_its_fee(requests, prices),
                },
                one_year_with_aws_fee: managed(requests, DISCOUNT, prices),
                on_demand_that_fits: {
                    let hours = instances(requests).max(3.0) * HOURS;
                    let (ec2, fee) = instance_cost(hours, fits, Term::OnDemand.discount(prices), prices);
                    ec2 + fee + request_cost(requests, prices)
                },
            }
        })
        .collect()
}

/// Requests a month at which its two columns cross, solved: 2.64 million, where it says about 2.5.
pub fn article_break_even(prices: &Prices) -> f64 {
    let (mut low, mut high) = (0.0, 100e6);
    while high - low > 0.5 {
        let middle = f64::midpoint(low, high);
        if standard(middle, prices) < managed(middle, 0.0, prices) { low = middle } else { high = middle }
    }
    high
}

fn instances(requests: f64) -> f64 {
    (requests / (REQUESTS_PER_SECOND * HOURS * 3_600.0)).ceil().max(1.0)
}

fn request_cost(requests: f64, prices: &Prices) -> f64 {
    prices.cost(Name::LambdaRequest, requests)
}

fn standard(requests: f64, prices: &Prices) -> f64 {
    duration_cost(requests, SECONDS, GIB, Architecture::Arm64, prices) + request_cost(requests, prices)
}

fn managed(requests: f64, discount: f64, prices: &Prices) -> f64 {
    let (ec2, fee) = instance_cost(instances(requests) * HOURS, USD_PER_HOUR, discount, prices);
    ec2 + fee + request_cost(requests, prices)
}

fn managed_with_its_fee(requests: f64, prices: &Prices) -> f64 {
    let (ec2, fee) = instance_cost(instances(requests) * HOURS, USD_PER_HOUR * (1.0 - DISCOUNT), 0.0, prices);
    ec2 + fee + request_cost(requests, prices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_comes_out_of_its_inputs() {
        for row in article(&Prices::default()) {
            let (printed, computed) = (row.printed, row.computed);
            assert!((printed.instances - computed.instances).abs() < 1e-9, "{row:?}");
            for (what, printed, computed) in [
                ("on demand", printed.on_demand, computed.on_demand),
                ("one year", printed.one_year, computed.one_year),
                ("standard", printed.standard, computed.standard),
            ] {
                // It rounds to dollars, 212.6 down; its standard column is 0.4 % above its own formula.
                let off = (printed - computed).abs();
                let most = if what == "standard" { 0.6 + 0.0045 * computed } else { 0.62 };
                assert!(off < most, "{what}: printed {printed}, computed {computed}");
            }
        }
    }

    #[test]
    fn single_figures_of_it_come_out_to_the_cent() {
        let rows = article(&Prices::default());
        let cents = |usd: f64| (usd * 100.0).round() as u64;
        let standard: Vec<u64> = rows.iter().map(|row| cents(row.computed.standard)).collect();
        assert_eq!(standard, [1_087, 10_867, 54_334, 108_667, 543_336]);
        assert_eq!(cents(rows[4].computed.on_demand), 21_261);
        assert_eq!([cents(rows[0].computed.one_year), cents(rows[0].one_year_with_aws_fee)], [1_822, 1_954]);
        assert!((article_break_even(&Prices::default()) - 2.64e6).abs() < 0.01e6);
    }

    #[test]
    fn instances_that_can_hold_its_function_cost_thirteen_times_as_much() {
        let rows = article(&Prices::default());
        assert!((rows[0].on_demand_that_fits / rows[0].computed.on_demand - 12.7).abs() < 0.1, "{:?}", rows[0]);
    }
}
