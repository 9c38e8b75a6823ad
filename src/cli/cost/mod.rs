//! `nearline cost`: what a load costs a month, what it needs, and which limit it meets first.
//!
//! The sums are `nearline-cost`'s. It asks no service and needs no settings: what it does not know is an option.

mod args;
mod assumptions;
mod chart;
mod figures;
mod load;
mod tables;
#[cfg(test)]
mod tests;
mod values;

pub(super) use args::CostArgs;

use nearline_cost::{Prices, Scaling, Scenario, Simulation, article, article_break_even, burst, simulate};
use serde_json::json;

use self::args::{Example, Question};
use self::load::Answers;
use super::output::{CliError, json as line, print};

/// Parts of a simulation that people read, and that a chart and programs have.
const INTERVALS_READ: usize = 24;
const INTERVALS_DRAWN: usize = 240;

pub(super) fn run(args: &CostArgs) -> Result<(), CliError> {
    let prices = prices(args)?;
    let scenario = args.scenario();
    check(&scenario, &prices)?;
    let (text, svg) = answer(args, &scenario, &prices)?;
    if let (Some(path), Some(svg)) = (&args.svg, svg) {
        std::fs::write(path, svg).map_err(CliError::io(path.display().to_string()))?;
    }
    print(text.trim_end())
}

fn prices(args: &CostArgs) -> Result<Prices, CliError> {
    let Some(path) = &args.prices else { return Ok(Prices::default()) };
    let named = path.display().to_string();
    let json = std::fs::read_to_string(path).map_err(CliError::io(named.clone()))?;
    Prices::default().replace(&json).map_err(|error| CliError::Usage(format!("--prices {named}: {error}")))
}

/// What depends on the list of prices, so that clap cannot know it.
fn check(scenario: &Scenario, prices: &Prices) -> Result<(), CliError> {
    let deployment = &scenario.deployment;
    for name in deployment.instance_types.iter().filter(|name| !name.ends_with('*')) {
        let known = prices.instance(name);
        known.map_err(|error| CliError::Usage(format!("--instance-types: {error}")))?;
    }
    if nearline_cost::cheapest(deployment.environment, 1, deployment.architecture, &deployment.instance_types, prices)
        .is_none()
    {
        return Err(CliError::Usage(format!(
            "no instance type that is allowed holds an environment of {} GiB and {} vCPUs: Lambda keeps 1 vCPU and 1 GiB of \
             each for itself",
            figures::number(deployment.environment.gib()),
            figures::number(deployment.environment.vcpu()),
        )));
    }
    Ok(())
}

/// What is printed, and the picture of a simulation.
fn answer(args: &CostArgs, scenario: &Scenario, prices: &Prices) -> Result<(String, Option<String>), CliError> {
    let text = match args.question() {
        Question::Load(jobs_per_month) => {
            let answers = Answers::new(&scenario.at(jobs_per_month), prices);
            if args.json { line(&answers.to_json(prices))? } else { answers.to_text(prices) }
        }
        Question::Loads(jobs_per_hour) => {
            let hours = scenario.workload.hours_per_month;
            let all: Vec<Answers> =
                jobs_per_hour.iter().map(|jobs| Answers::new(&scenario.at(jobs * hours), prices)).collect();
            if args.json {
                line(&all.iter().map(|answers| answers.to_json(prices)).collect::<Vec<_>>())?
            } else {
                tables::loads(&all)
            }
        }
        Question::Profile(stages) => {
            let run = |intervals| simulate(scenario, stages, Scaling::default(), intervals, prices);
            let drawn: Simulation = run(INTERVALS_DRAWN);
            let text = if args.json {
                let burst = burst(Scaling::default());
                line(
                    &json!({"simulation": drawn, "scaling": Scaling::default(), "calibration": burst, "scenario": scenario}),
                )?
            } else {
                tables::simulation(&run(INTERVALS_READ), &burst(Scaling::default()))
            };
            return Ok((text, Some(chart::svg(&drawn))));
        }
        Question::Example(Example::Article) => {
            let (rows, break_even) = (article(prices), article_break_even(prices));
            if args.json {
                line(&json!({"rows": rows, "break_even_requests_per_month": break_even}))?
            } else {
                tables::article(&rows, break_even)
            }
        }
        Question::Prices if args.json => line(&tables::prices_json(prices))?,
        Question::Prices => tables::prices(prices),
    };
    Ok((text, None))
}
