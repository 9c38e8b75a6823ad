//! Command lines that are right, and what is said about wrong ones.

use super::*;

const SETTINGS: [&str; 5] = ["loadgen", "--queue-url", "http://q", "--results-table", "t"];

fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
    Args::from_arguments(SETTINGS.iter().chain(arguments).copied())
}

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn a_load_is_a_rate_with_a_duration_or_stages_or_a_profile() {
    let stages = |arguments: &[&str]| parse(arguments).unwrap().stages().len();
    assert_eq!(stages(&["--rps", "10", "--duration", "1s"]), 1);
    assert_eq!(stages(&["--stages", "2m:100,5m:500,1m:0"]), 3);
    assert_eq!(stages(&["--profile", "double-every=5m:100..1600"]), 5);
}

#[test]
fn wrong_usage_has_exit_code_2_and_says_what_is_wrong() {
    for (arguments, part) in [
        (&["--rps", "10", "--duration", "0s"][..], "longer than 0s"),
        (&["--rps", "10", "--duration", "30"], "--duration"),
        (&["--rps", "10"], "--duration"),
        (&["--duration", "10s"], "--rps"),
        (&[], "--rps"),
        (&["--rps", "0", "--duration", "1s"], "above 0"),
        (&["--rps", "NaN", "--duration", "1s"], "above 0"),
        (&["--rps", "1", "--duration", "1s", "--stages", "1s:1"], "cannot be used with"),
        (&["--rps", "1", "--duration", "1s", "--warmup", "1s"], "--warmup must be shorter"),
        (&["--rps", "1", "--duration", "1s", "--duplicates", "90%", "--invalid", "5%"], "together may be at most 90%"),
        (&["--rps", "1", "--duration", "1s", "--verify", "none", "--slo", "e2e.p99<1s"], "--verify none does not read"),
        (&["--rps", "1", "--duration", "1s", "--slo", "e2e.p9x<1s"], "there is no metric"),
        (&["--rps", "1", "--duration", "1s", "--zipf=-1"], "--zipf"),
    ] {
        let error = parse(arguments).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
        assert!(error.to_string().contains(part), "{arguments:?}: {error}");
    }
    assert!(parse(&["--rps", "1", "--duration", "1s", "--verify", "none", "--slo", "lag.p99<1s"]).is_ok());
}

#[test]
fn a_report_needs_no_load_and_a_load_no_page() {
    let parse = |arguments: &[&str]| {
        CommandLine::try_parse_from([&["loadgen"], arguments].concat()).and_then(CommandLine::checked)
    };
    let task = parse(&["report", "today.json", "--html", "-", "--compare", "yesterday.json"]).unwrap();
    assert!(matches!(task, Task::Report(ReportArgs { html: Some(_), compare: Some(_), .. })), "{task:?}");
    assert!(parse(&["report"]).is_err() && parse(&["--rps", "1", "--duration", "1s", "--html", "x"]).is_err());
}

#[test]
fn help_is_wrapped_once() {
    for width in [80, 100] {
        let help = CommandLine::command().term_width(width).render_long_help().to_string();
        let after = &help[help.find("Region, credentials").unwrap()..];
        let lines: Vec<&str> = after.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= width), "{after}");
        // A line that ends long before the edge ends its paragraph, or is one of a list.
        for pair in lines.windows(2).filter(|pair| pair[0].len() < width - 20 && !pair[0].is_empty()) {
            let ends = pair[0].ends_with(['.', ':']) || pair[1].is_empty() || pair[0].starts_with("  ");
            assert!(ends, "{:?} is wrapped twice at {width}", pair[0]);
        }
    }
}

#[test]
fn a_dry_run_needs_no_queue() {
    if std::env::var_os("NEARLINE_QUEUE_URL").is_none() {
        let load = ["loadgen", "--rps", "1", "--duration", "1s"];
        assert_eq!(Args::from_arguments(load).unwrap_err().exit_code(), 2);
        assert!(Args::from_arguments(load.into_iter().chain(["--dry-run"])).is_ok());
        let plan = Args::from_arguments(load.into_iter().chain(["--dry-run", "--output", "report.json"])).unwrap_err();
        assert!(plan.to_string().contains("'--dry-run' cannot be used with '--output"), "a plan is no report: {plan}");
    }
}

#[test]
fn lookups_and_jobs_in_flight_follow_the_rate_unless_set() {
    let lookups = |more: &[&str], peak| {
        parse(&[&["--rps", "1", "--duration", "1s"], more].concat()).unwrap().lookups_per_second(peak)
    };
    assert_eq!((lookups(&[], 0.5), lookups(&[], 1_000.0)), (500, 4_000));
    assert_eq!(lookups(&["--lookups-per-second", "7"], 1_000.0), 7);
    let in_flight = |peak| parse(&["--rps", "1", "--duration", "1s"]).unwrap().max_in_flight(peak);
    assert_eq!([1.0, 1_000.0, 50_000.0].map(in_flight), [2_000, 5_000, 8_000]);
}
