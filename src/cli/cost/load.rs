//! A load: its bills, what it needs, and the limits that it meets.

use std::fmt::Write as _;

use nearline_cost::{Bill, Fleet, Limit, Packed, Prices, Scenario, Term, bill, break_even, fleet, limits, packings};
use serde_json::{Value, json};

use super::assumptions::{NOT_COUNTED, assumptions};
use super::figures::{number, percent, usd};

/// Types of instances that people are shown; `--json` has all.
const PACKINGS_SHOWN: usize = 5;
/// From this part of a limit on, what to do about it is said.
const NEAR: f64 = 0.5;

/// All that is known of a load.
pub(super) struct Answers {
    pub(super) scenario: Scenario,
    pub(super) on_demand: Bill,
    one_year: Bill,
    three_years: Bill,
    pub(super) standard: Bill,
    break_even: [Option<f64>; 3],
    pub(super) fleet: Fleet,
    packings: Vec<Packed>,
    pub(super) limits: Vec<Limit>,
}

impl Answers {
    /// At least one type of instance must hold the environments, which the command has made sure of.
    pub(super) fn new(scenario: &Scenario, prices: &Prices) -> Self {
        let rate = scenario.peak_rate();
        let fleet = fleet(scenario, rate, prices);
        let of = |term| bill(scenario, term, prices).expect("a type of instance that holds the environments was found");
        let deployment = &scenario.deployment;
        Self {
            on_demand: of(Some(Term::OnDemand)),
            one_year: of(Some(Term::OneYear)),
            three_years: of(Some(Term::ThreeYears)),
            standard: of(None),
            break_even: [Term::OnDemand, Term::OneYear, Term::ThreeYears]
                .map(|term| break_even(scenario, term, prices)),
            packings: packings(
                deployment.environment,
                fleet.environments,
                deployment.architecture,
                &deployment.instance_types,
                prices,
            ),
            limits: limits(scenario, rate, &fleet),
            fleet,
            scenario: scenario.clone(),
        }
    }

    /// The limit that comes first, of those that are known.
    pub(super) fn first_limit(&self) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.used.is_some() && limit.reached_at.is_some())
    }

    pub(super) fn to_json(&self, prices: &Prices) -> Value {
        let [on_demand, one_year, three_years] = self.break_even;
        json!({
            "scenario": self.scenario,
            "jobs_per_month": self.scenario.workload.jobs_per_month,
            "jobs_per_second": {"mean": self.scenario.mean_rate(), "peak": self.scenario.peak_rate()},
            "prices": {"as_of": prices.as_of, "region": prices.region, "replaced": prices.replaced},
            "bills": {"on_demand": self.on_demand, "one_year": self.one_year, "three_years": self.three_years,
                "standard": self.standard},
            "break_even_jobs_per_month": {"on_demand": on_demand, "one_year": one_year, "three_years": three_years},
            "traffic": self.scenario.traffic(self.scenario.peak_rate()),
            "fleet": self.fleet,
            "packings": self.packings,
            "limits": self.limits,
            "assumptions": assumptions(&self.scenario),
            "not_counted": NOT_COUNTED,
        })
    }

    pub(super) fn to_text(&self, prices: &Prices) -> String {
        let mut page = String::new();
        let (jobs, rate) = (self.scenario.workload.jobs_per_month, self.scenario.mean_rate());
        let _ = writeln!(
            page,
            "{} jobs a month, {} a second. {}, list prices of {}{}.\n",
            number(jobs),
            number(rate),
            prices.region,
            prices.as_of,
            if prices.replaced.is_empty() {
                String::new()
            } else {
                format!(", but for {}", prices.replaced.join(", "))
            }
        );
        self.bill_text(&mut page);
        self.break_even_text(&mut page);
        self.fleet_text(&mut page);
        self.limits_text(&mut page);
        page.push_str("\nAssumed:\n");
        for one in assumptions(&self.scenario) {
            let _ = writeln!(page, "  {:<40}{}\n  {:<40}  {}", one.option, one.value, "", one.because);
        }
        let _ = writeln!(page, "{NOT_COUNTED}");
        page
    }

    fn bill_text(&self, page: &mut String) {
        let bills = [&self.on_demand, &self.one_year, &self.three_years, &self.standard];
        let row = |page: &mut String, what: &str, quantity: &str, values: [String; 4]| {
            let [a, b, c, d] = values;
            let _ = writeln!(page, "  {what:<41}{quantity:>20}{a:>12}{b:>12}{c:>12}{d:>12}");
        };
        let _ = writeln!(page, "{:<63}{:>36}{:>12}", "US dollars a month", "Managed Instances           ", "standard");
        row(page, "", "", ["on demand", "1-year plan", "3-year plan", "Lambda"].map(str::to_owned));
        // In the order of the bills; what only standard Lambda has follows compute.
        let mut names: Vec<(&str, &str)> = Vec::new();
        let compute = |line: &&nearline_cost::Line| matches!(line.service, "EC2" | "Lambda");
        let lines = |of: bool| {
            bills.into_iter().flat_map(move |bill| bill.lines.iter().filter(move |line| compute(line) == of))
        };
        for line in lines(true).chain(lines(false)) {
            if !names.contains(&(line.service, line.what)) {
                names.push((line.service, line.what));
            }
        }
        for (service, what) in names {
            let first = bills
                .iter()
                .find_map(|bill| bill.lines.iter().find(|line| line.service == service && line.what == what));
            let quantity = first.map_or(String::new(), |line| format!("{} {}", number(line.quantity), line.unit));
            let values = bills.map(|bill| usd(bill.usd(service, what)));
            row(page, &format!("{service:<12}{what}"), &quantity, values);
        }
        row(page, "all", "", bills.map(|bill| usd(bill.total_usd)));
        let millions = self.scenario.workload.jobs_per_month / 1e6;
        row(page, "for a million jobs", "", bills.map(|bill| usd(bill.total_usd / millions)));
    }

    fn break_even_text(&self, page: &mut String) {
        let month = self.scenario.seconds();
        let from = |jobs: Option<f64>| match jobs {
            Some(jobs) => format!("{} jobs a month ({} a second)", number(jobs), number(jobs / month)),
            None => "no load".to_owned(),
        };
        let [on_demand, one_year, three_years] = self.break_even;
        let _ = writeln!(
            page,
            "\nManaged Instances cost less than standard Lambda from {} on;\nwith a plan of 1 year from {}, of 3 years from {}.",
            from(on_demand),
            from(one_year),
            from(three_years)
        );
    }

    fn fleet_text(&self, page: &mut String) {
        let (fleet, environment) = (&self.fleet, self.scenario.deployment.environment);
        let traffic = self.scenario.traffic(self.scenario.peak_rate());
        let _ = writeln!(
            page,
            "\nAt {} jobs a second: {} environments of {} GiB and {} vCPUs; the minimum is {}. CPU time alone would take {} of them,\n\
             {} invocations at once {}. {} of the processors are busy, {} of the slots.",
            number(traffic.rate),
            fleet.environments,
            number(environment.gib()),
            number(environment.vcpu()),
            self.scenario.deployment.environments_min,
            fleet.by_cpu,
            number(traffic.in_flight),
            fleet.by_slots,
            percent(fleet.cpu_utilisation),
            percent(fleet.slot_utilisation),
        );
        let _ = writeln!(
            page,
            "\n  {:<14}{:>14}{:>11}{:>14}{:>15}{:>19}{:>14}",
            "instances",
            "environments",
            "instances",
            "vCPUs unused",
            "memory unused",
            "$ environment hour",
            "$ a month"
        );
        let hours = self.scenario.workload.hours_per_month;
        for one in self.packings.iter().take(PACKINGS_SHOWN) {
            let _ = writeln!(
                page,
                "  {:<14}{:>14}{:>11}{:>14}{:>15}{:>19}{:>14}",
                one.instance.name,
                format!("{} each", one.environments_each),
                one.instances,
                percent(one.vcpu_unused),
                percent(one.memory_unused),
                format!("{:.4}", one.usd_per_environment_hour),
                usd(one.usd_per_hour * hours)
            );
        }
        let _ =
            writeln!(page, "Lambda chooses the type, unless allowed_instance_types names it. The bill has the first.");
    }

    fn limits_text(&self, page: &mut String) {
        let _ =
            writeln!(page, "\n  {:<36}{:>16}{:>16}{:>9}{:>16}", "limit", "needed", "there is", "used", "reached at");
        for limit in &self.limits {
            let with_unit = |value: f64| format!("{} {}", number(value), limit.unit).trim_end().to_owned();
            let row = format!(
                "  {:<36}{:>16}{:>16}{:>9}{:>16}",
                limit.what,
                with_unit(limit.needed),
                limit.allowed.map_or("your quota".to_owned(), with_unit),
                limit.used.map_or("?".to_owned(), percent),
                limit.reached_at.map_or(String::new(), |rate| format!("{} jobs/s", number(rate)))
            );
            let _ = writeln!(page, "{}", row.trim_end());
            if limit.used.is_none_or(|used| used >= NEAR) {
                let _ = writeln!(page, "      {}", limit.remedy);
            }
        }
    }
}
