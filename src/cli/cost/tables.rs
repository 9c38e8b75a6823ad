//! Tables that are not of one load: many loads, a simulation, the article, the prices.

use std::fmt::Write as _;

use nearline_cost::{ArticleRow, Burst, Prices, Simulation};
use serde_json::{Map, Value, json};

use super::figures::{clock, number, percent, time, usd};
use super::load::Answers;

/// A line for each load.
pub(super) fn loads(all: &[Answers]) -> String {
    let mut page = format!(
        "{:>12}{:>10}{:>14}{:>11}{:>14}{:>14}{:>16}   {}\n",
        "jobs/hour", "jobs/s", "environments", "instances", "managed $", "standard $", "$ a million", "first limit"
    );
    for answers in all {
        let workload = &answers.scenario.workload;
        let (managed, standard) = (answers.on_demand.total_usd, answers.standard.total_usd);
        let first = answers.first_limit().map_or(String::new(), |limit| {
            let at = limit.reached_at.map_or(String::new(), |rate| format!(" ({} jobs/s)", number(rate)));
            format!("{} {}{at}", limit.used.map_or(String::new(), percent), limit.what)
        });
        let _ = writeln!(
            page,
            "{:>12}{:>10}{:>14}{:>11}{:>14}{:>14}{:>16}   {first}",
            number(workload.jobs_per_month / workload.hours_per_month),
            number(answers.scenario.mean_rate()),
            answers.fleet.environments,
            answers.fleet.packed.as_ref().map_or(0, |packed| packed.instances),
            usd(managed),
            usd(standard),
            usd(managed.min(standard) / workload.jobs_per_month * 1e6),
        );
    }
    page + "US dollars a month, on demand; $ a million jobs by the cheaper of the two. `--jobs-per-hour` with one load has it line by line.\n"
}

/// A simulation over time.
pub(super) fn simulation(simulation: &Simulation, burst: &Burst) -> String {
    let mut page = format!(
        "{:>8}{:>10}{:>10}{:>11}{:>9}{:>14}{:>10}{:>11}{:>7}{:>7}{:>11}{:>9}{:>9}\n",
        "from",
        "jobs/s",
        "answered",
        "backlog",
        "oldest",
        "environments",
        "starting",
        "instances",
        "CPU",
        "slots",
        "throttled",
        "p50",
        "p99"
    );
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), time);
    for part in &simulation.intervals {
        let _ = writeln!(
            page,
            "{:>8}{:>10}{:>10}{:>11}{:>9}{:>14}{:>10}{:>11}{:>7}{:>7}{:>11}{:>9}{:>9}",
            clock(part.from_seconds),
            number(part.rate),
            number(part.answered),
            number(part.backlog.round()),
            time(part.oldest_seconds),
            part.environments,
            part.starting,
            part.instances,
            percent(part.cpu),
            percent(part.slots),
            time(part.throttled_seconds),
            seconds(part.p50_seconds),
            seconds(part.p99_seconds),
        );
    }
    let _ = writeln!(
        page,
        "\n{} jobs: p50 {}, p99 {}, longest {} end to end; at most {} waiting and {} environments; throttled for {}{}.",
        number(simulation.jobs),
        seconds(simulation.p50_seconds),
        seconds(simulation.p99_seconds),
        seconds(simulation.max_seconds),
        number(simulation.backlog_max.round()),
        simulation.environments_max,
        time(simulation.throttled_seconds),
        if simulation.unanswered > 0.5 {
            format!("; {} without an answer", number(simulation.unanswered))
        } else {
            String::new()
        }
    );
    let compared: Vec<String> = burst
        .environments
        .iter()
        .map(|(minute, published, model)| format!("{published} after {minute} min (the model: {model})"))
        .collect();
    let _ = writeln!(
        page,
        "A model: environments at most double in five minutes, and come 90 s and a catalog's load after the decision. A published \
         burst had {} environments. Throttled messages come back only after the visibility timeout, which it leaves out: \
         with throttles its times are a lower bound.",
        compared.join(", ")
    );
    page
}

/// The article's table, as printed and as it comes out.
pub(super) fn article(rows: &[ArticleRow], break_even: f64) -> String {
    let mut page = format!(
        "US dollars a month          standard Lambda     managed, on demand            managed, 1-year plan     that fits\n\
         {:>14}{:>11}{:>9}{:>10}{:>11}{:>10}{:>10}{:>10}{:>13}{:>13}\n",
        "requests",
        "instances",
        "printed",
        "computed",
        "printed",
        "computed",
        "printed",
        "computed",
        "AWS's fee",
        "on demand"
    );
    for row in rows {
        let (printed, computed) = (row.printed, row.computed);
        let _ = writeln!(
            page,
            "{:>14}{:>11}{:>9}{:>10}{:>11}{:>10}{:>10}{:>10}{:>13}{:>13}",
            number(printed.requests),
            computed.instances,
            usd(printed.standard).trim_end_matches(".00"),
            usd(computed.standard),
            printed.on_demand,
            usd(computed.on_demand),
            printed.one_year,
            usd(computed.one_year),
            usd(row.one_year_with_aws_fee),
            usd(row.on_demand_that_fits),
        );
    }
    let _ = writeln!(page, "Break-even: {} requests a month; it says about 2.5 M.", number(break_even));
    page
}

/// The list, for people.
pub(super) fn prices(prices: &Prices) -> String {
    let mut page = format!("{}, {}\n\n", prices.region, prices.as_of);
    for (name, price) in prices.all() {
        let per = if price.per > 1.0 { format!("{} ", number(price.per)) } else { String::new() };
        let _ =
            writeln!(page, "{name:<26}{:>14}  {per}{}  ({}, {})", price.usd, price.unit, price.source, price.checked);
    }
    let (source, checked) = &prices.instances_from;
    let _ = writeln!(page, "\nUS dollars an hour, on demand ({source}, {checked}):");
    for one in prices.instances() {
        let name = format!("ec2.{}", one.name);
        let _ = writeln!(page, "{name:<26}{:>14}  {} vCPUs, {} GiB", one.usd_per_hour, one.vcpu, one.gib);
    }
    page
}

/// The list as `--prices` takes it.
pub(super) fn prices_json(prices: &Prices) -> Value {
    let mut all = Map::new();
    for (name, price) in prices.all() {
        all.insert(name.to_owned(), json!(price.usd));
    }
    for one in prices.instances() {
        all.insert(format!("ec2.{}", one.name), json!(one.usd_per_hour));
    }
    Value::Object(all)
}
