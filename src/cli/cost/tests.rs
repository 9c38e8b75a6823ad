//! The command as it is typed: what it refuses, what it prints, and that the documents show what it prints.

use std::path::Path;

use clap::Parser;
use nearline_contract::limits::RECORD_FORMAT_VERSION;
use nearline_contract::{Group, Match, ResultRecord, Status};
use nearline_cost::{Answer, Deployment};

use super::*;
use crate::catalog::size::Shape;
use crate::results::record_bytes;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    cost: CostArgs,
}

fn read(words: &str) -> Result<CostArgs, clap::Error> {
    let quoted = words.split_whitespace().map(|word| word.trim_matches('\''));
    Line::try_parse_from(std::iter::once("nearline cost").chain(quoted)).map(|line| line.cost)
}

fn printed(words: &str) -> String {
    let args = read(words).unwrap_or_else(|error| panic!("{words}: {error}"));
    let prices = prices(&args).unwrap();
    let scenario = args.scenario();
    check(&scenario, &prices).unwrap();
    answer(&args, &scenario, &prices).unwrap().0
}

#[test]
fn defaults_are_those_of_the_model() {
    let args = read("--rps 1").unwrap();
    assert_eq!(args.scenario(), Scenario::default());
}

#[test]
fn what_does_not_go_together_is_refused() {
    for words in [
        "",
        "--rps 1 --jobs-per-month 1M",
        "--rps 1 --svg x.svg",
        "--rps 0",
        "--jobs-per-month -5",
        "--rps 1 --memory-gib-per-vcpu 3",
        "--rps 1 --provisioned-pollers 1..5",
        "--rps 1 --zipf 1",
        "--rps 1 --target-utilisation 5%",
        "--rps 1 --cpu-time 0s",
        "--profile 5m",
        "--example other",
    ] {
        assert!(read(words).is_err(), "{words}");
    }
}

#[test]
fn instances_that_hold_no_environment_are_refused_and_unknown_ones_named() {
    let refused = |words: &str| {
        let args = read(words).unwrap();
        check(&args.scenario(), &Prices::default()).unwrap_err().to_string()
    };
    assert!(refused("--rps 1 --instance-types c7g.large").contains("holds an environment of 6 GiB and 3 vCPUs"));
    assert!(refused("--rps 1 --instance-types c7g.xlage").contains("nearest is `c7g.xlarge`"));
    assert!(refused("--rps 1 --instance-types c7i.*").contains("holds an environment"));
}

#[test]
fn a_price_file_replaces_prices_and_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.json");
    let with = |json: &str| {
        std::fs::write(&path, json).unwrap();
        prices(&read(&format!("--rps 1 --prices {}", path.display())).unwrap())
    };
    assert_eq!(with(r#"{"sqs.standard": 0.3}"#).unwrap().replaced, ["sqs.standard"]);
    let error = with(r#"{"sqs.standrad": 0.3}"#).unwrap_err();
    assert!(matches!(&error, CliError::Usage(text) if text.contains("nearest is `sqs.standard`")), "{error}");
    // What it prints, it takes.
    let list = printed("--list-prices --json");
    assert_eq!(with(&list).unwrap().replaced.len(), list.matches("\":").count());
}

#[test]
fn json_has_what_people_read() {
    let load: serde_json::Value = serde_json::from_str(&printed("--jobs-per-month 100M --json")).unwrap();
    let total = load["bills"]["on_demand"]["total_usd"].as_f64().unwrap();
    assert!(total > 400.0, "{total}");
    assert!(load["limits"].as_array().unwrap().len() > 8 && load["packings"].as_array().unwrap().len() > 20);
    let run: serde_json::Value = serde_json::from_str(&printed("--profile 5m:100,5m:4000 --json")).unwrap();
    assert!(run["simulation"]["intervals"].as_array().unwrap().len() > 100);
}

#[test]
fn a_picture_draws_every_interval_within_its_frame() {
    let args = read("--profile 5m:100,20m:6000,5m:100 --svg x.svg").unwrap();
    let svg = answer(&args, &args.scenario(), &Prices::default()).unwrap().1.unwrap();
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("environments"));
    let paths = svg.lines().filter_map(|line| line.split_once("d=\"")).map(|(_, rest)| rest.split('"').next().unwrap());
    let points: Vec<f64> = paths.flat_map(|path| path.split(['M', 'L', ' ']).filter_map(|n| n.parse().ok())).collect();
    assert!(points.len() > 1_000 && points.iter().all(|value| (0.0..=900.0).contains(value)));
}

/// The model of a process's memory against what `nearline catalog size` says.
#[test]
fn a_catalog_takes_what_catalog_size_says() {
    for (rows, dimension) in [(100_000, 384), (1_000_000, 384), (1_000_000, 1_024), (10_000_000, 384)] {
        let shape = Shape { rows, dimension, categories: 20, id_bytes: 12, title_bytes: 0, attribute_bytes: 0 };
        let (size, mut deployment) = (shape.size(), Deployment::default());
        (deployment.rows, deployment.dimension) = (rows as f64, dimension as f64);
        for (model, sized) in
            [(deployment.catalog_bytes(), size.alone.bytes), (deployment.refresh_bytes(), size.refreshing.bytes)]
        {
            let ratio = model / sized as f64;
            assert!((0.85..1.1).contains(&ratio), "{rows} x {dimension}: {ratio}");
        }
    }
}

/// The model of a record's size against the worker's own count of a record like that.
#[test]
fn a_record_is_as_large_as_the_worker_counts() {
    for (top_k, groups, returned) in [(5, 20, 0), (10, 1, 0), (3, 4, 40), (1, 1, 0)] {
        let found = |category: Option<String>| Match {
            product_id: "p".repeat(12),
            score: 0.485_076_37,
            category,
            title: (returned > 0).then(|| "t".repeat(returned)),
            attributes: [].into(),
        };
        let category = || Some("c".repeat(8));
        let (of_group, of_match) = if groups > 1 { (category(), None) } else { (None, category()) };
        let group = Group { category: of_group, matches: vec![found(of_match); top_k] };
        let record = ResultRecord {
            request_id: "r".repeat(24),
            format_version: RECORD_FORMAT_VERSION,
            status: Status::Succeeded,
            results: Some(vec![group; groups]),
            results_uri: None,
            error: None,
            catalog_version: "0".repeat(16),
            model_id: Some("amazon.nova-2-multimodal-embeddings-v1:0".into()),
            job_sha256: "0".repeat(64),
            created_at: "2026-11-23T12:00:00.000Z".into(),
            expires_at: 1_800_000_000,
            metadata: [].into(),
            query_truncated: false,
        };
        let answer = Answer {
            top_k: top_k as f64,
            groups: groups as f64,
            product_id_bytes: 12.0,
            category_bytes: 8.0,
            returned_bytes: returned as f64,
        };
        let (model, worker) = (answer.record_bytes(), record_bytes(&record) as f64);
        assert!((model / worker - 1.0).abs() < 0.01, "{top_k} x {groups}, {returned}: {model}, the worker: {worker}");
    }
}

/// `<!-- nearline cost ARGUMENTS -->` stands before each block that the command makes.
fn with_fresh_blocks(page: &str) -> String {
    const MARK: &str = "<!-- nearline cost ";
    let mut parts = page.split(MARK);
    let mut fresh = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (words, rest) = part.split_once(" -->\n```text\n").expect("a block follows");
        let (_, after) = rest.split_once("\n```\n").expect("the block ends");
        fresh += &[MARK, words, " -->\n```text\n", printed(words).trim_end(), "\n```\n", after].concat();
    }
    fresh
}

/// Writes a file anew where that is asked for, or compares.
fn is_fresh(name: &str, fresh: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let found = std::fs::read_to_string(&path).unwrap();
    let fresh = fresh(&found);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    } else {
        assert_eq!(found, fresh, "{name} is stale: UPDATE_DOCS=1 cargo test --lib cli::cost, or `make docs`");
    }
}

#[test]
fn the_documents_show_what_the_command_prints() {
    is_fresh("docs/cost.md", with_fresh_blocks);
    is_fresh("docs/scale.md", with_fresh_blocks);
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scale.md")).unwrap();
    let (_, rest) = page.split_once("<!-- nearline cost --profile ").expect("a simulation is shown");
    let words = format!("--profile {} --svg scale.svg", rest.split(" -->").next().unwrap_or_default());
    let args = read(&words).unwrap();
    let svg = answer(&args, &args.scenario(), &Prices::default()).unwrap().1.unwrap();
    is_fresh("docs/scale.svg", |_| svg.clone());
}
