//! Settings as they are read from an environment, and as they are documented.

use std::time::Duration;

use nearline_search::Kernel;

use super::table::KERNEL;
use super::*;
use crate::catalog::{CatalogGuard, CatalogLocation};

fn reader(variables: &[(&str, &str)]) -> Reader {
    Reader::new(variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
}

#[test]
fn all_faults_are_reported_at_once() {
    let variables = [
        ("NEARLINE_CATALOG", "gs://bucket/prefix"),
        ("NEARLINE_MAX_ATTEMPTS", "0"),
        ("NEARLINE_SEARCH_THREADS", "many"),
        ("NEARLINE_RESULTS_TABLE", ""),
        ("NEARLINE_KERNEL", "avx9"),
    ];
    let message = reader(&variables).worker().unwrap_err().to_string();
    for part in [
        "NEARLINE_QUEUE_URL is not set",
        "NEARLINE_RESULTS_TABLE is not set",
        "NEARLINE_CATALOG must be s3://BUCKET/PREFIX, was `gs://bucket/prefix`",
        "NEARLINE_MAX_ATTEMPTS must be a whole number from 1 to 1000, was `0`",
        "NEARLINE_SEARCH_THREADS must be a whole number from 1 to 1024, was `many`",
        "NEARLINE_KERNEL must be one of portable",
    ] {
        assert!(message.contains(part), "{part} is missing in: {message}");
    }
}

#[test]
fn only_a_worker_is_one_of_a_fleet_and_tiers_are_those_of_bedrock() {
    let set = [
        ("NEARLINE_QUEUE_URL", "http://q"),
        ("NEARLINE_RESULTS_TABLE", "t"),
        ("NEARLINE_CATALOG", "s3://bucket/prefix"),
        ("NEARLINE_EMBEDDING_FLEET_REQUESTS_PER_MINUTE", "3000"),
        ("NEARLINE_EMBEDDING_SERVICE_TIER", "flex"),
    ];
    let worker = reader(&set).worker().unwrap();
    assert_eq!(worker.intake.embedding.fleet_requests_per_minute, Some(3_000));
    assert_eq!(worker.resources.service_tier.as_deref(), Some("flex"));
    let query = reader(&set).query().unwrap();
    assert_eq!((query.embedding.fleet_requests_per_minute, query.service_tier.as_deref()), (None, Some("flex")));
    let wrong = reader(&[("NEARLINE_EMBEDDING_SERVICE_TIER", "fast")]).query().unwrap_err().to_string();
    let expected = "NEARLINE_EMBEDDING_SERVICE_TIER must be default, flex, priority or reserved, was `fast`";
    assert_eq!(wrong, expected);
}

#[test]
fn the_kernel_is_the_fastest_unless_one_is_set_that_the_processor_has() {
    let required = [
        ("NEARLINE_QUEUE_URL", "http://q"),
        ("NEARLINE_RESULTS_TABLE", "t"),
        ("NEARLINE_CATALOG", "s3://bucket/prefix"),
    ];
    let kernel = |name: Option<&'static str>| {
        let variables: Vec<_> = required.into_iter().chain(name.map(|name| ("NEARLINE_KERNEL", name))).collect();
        reader(&variables).worker().map(|settings| settings.intake.kernel.kernel())
    };
    assert_eq!(kernel(None).unwrap(), Kernel::fastest().kernel());
    let names = Kernel::ALL.map(Kernel::name).join(", ");
    assert!(KERNEL.range.starts_with(&names), "{} does not name {names}", KERNEL.range);
    for set in Kernel::ALL {
        match kernel(Some(set.name())) {
            Ok(kernel) => assert!(kernel == set && set.detect().is_some()),
            Err(error) => {
                assert!(set.detect().is_none());
                assert!(error.to_string().contains(&format!("on this processor, was `{set}`")), "{error}");
            }
        }
    }
}

#[test]
fn a_command_validates_only_what_it_uses() {
    let variables = [("NEARLINE_QUEUE_URL", "http://q"), ("NEARLINE_MAX_ATTEMPTS", "none")];
    assert_eq!(reader(&variables).enqueue().unwrap(), "http://q");
}

#[test]
fn blanks_around_a_value_are_none_of_it_and_quotes_are_named() {
    assert_eq!(reader(&[("NEARLINE_QUEUE_URL", " http://q\r\n")]).enqueue().unwrap(), "http://q");
    for value in ["\"http://q\"", "'http://q'", "http://q\"", "\u{201c}http://q\u{201d}"] {
        let message = reader(&[("NEARLINE_QUEUE_URL", value)]).enqueue().unwrap_err().to_string();
        let expected = format!("NEARLINE_QUEUE_URL has quotes around its value, `{value}`: remove them");
        assert_eq!(message, expected);
    }
    let quoted = [("NEARLINE_RESULTS_TABLE", "t"), ("NEARLINE_RESULTS_TTL_SECONDS", "'3600'")];
    let message = reader(&quoted).result().unwrap_err().to_string();
    assert_eq!(message, "NEARLINE_RESULTS_TTL_SECONDS has quotes around its value, `'3600'`: remove them");
    assert!(reader(&[("NEARLINE_LOG", "\"info\"")]).log().unwrap_err().to_string().contains("has quotes"));
    assert_eq!(reader(&[("NEARLINE_LOG", "debug\n")]).log().unwrap(), "debug");
}

#[test]
fn a_name_that_is_no_setting_is_told_with_the_nearest_that_is() {
    let required = [("NEARLINE_QUEUE_URL", "http://q"), ("NEARLINE_RESULTS_TABLE", "t"), ("NEARLINE_CATALOG", "c")];
    let unknown = |name: &'static str| {
        let variables: Vec<_> = required.into_iter().chain([(name, "x")]).collect();
        reader(&variables).worker().unwrap().unknown
    };
    for (name, nearest) in [
        ("NEARLINE_MAX_ATTEMPT", "NEARLINE_MAX_ATTEMPTS"),
        ("NEARLINE_RESULT_BUCKET", "NEARLINE_RESULTS_BUCKET"),
        ("NEARLINE_QUEU", "NEARLINE_QUEUE_URL"),
        ("nearline_kernel", "NEARLINE_KERNEL"),
        ("NEARLINE_THREADS", "NEARLINE_SEARCH_THREADS"),
        ("NEARLINE_TTL_SECONDS", "NEARLINE_RESULTS_TTL_SECONDS"),
    ] {
        assert_eq!(unknown(name), [format!("{name} is not a setting, did you mean {nearest}?")]);
    }
    assert_eq!(unknown("NEARLINE_FROBNICATE"), ["NEARLINE_FROBNICATE is not a setting"]);
    assert!(unknown("NEARLINER").is_empty() && unknown("AWS_REGION").is_empty());
    let misspelled = [("NEARLINE_QUEU_URL", "http://q")];
    let message = reader(&misspelled).enqueue().unwrap_err().to_string();
    assert!(message.contains("NEARLINE_QUEUE_URL is not set"), "{message}");
    assert!(message.contains("NEARLINE_QUEU_URL is not a setting, did you mean NEARLINE_QUEUE_URL?"), "{message}");
}

#[test]
fn defaults_are_those_of_the_table() {
    let variables = [("NEARLINE_QUEUE_URL", "q"), ("NEARLINE_RESULTS_TABLE", "t"), ("NEARLINE_CATALOG", "c.arrow")];
    let settings = reader(&variables).worker().unwrap();
    assert_eq!(settings.intake.max_attempts, 20);
    assert_eq!(settings.intake.results.ttl, Duration::from_hours(7 * 24));
    assert_eq!(settings.intake.guard, CatalogGuard::default(), "a default must not guard");
    assert_eq!(settings.intake.catalog, CatalogLocation::File("c.arrow".into()));
    let build = reader(&[]).build(None).unwrap();
    assert_eq!((build.model_id.as_str(), build.dimension), ("amazon.nova-2-multimodal-embeddings-v1:0", 384));
}

#[test]
fn a_guard_is_what_was_set() {
    let variables = [
        ("NEARLINE_QUEUE_URL", "q"),
        ("NEARLINE_RESULTS_TABLE", "t"),
        ("NEARLINE_CATALOG", "s3://b/p/"),
        ("NEARLINE_EMBEDDING_DIMENSION", "256"),
    ];
    let settings = reader(&variables).worker().unwrap();
    assert_eq!(settings.intake.guard, CatalogGuard { dimension: Some(256), ..CatalogGuard::default() });
    let CatalogLocation::S3(location) = settings.intake.catalog else { panic!("not S3") };
    assert_eq!(location.to_string(), "s3://b/p");
}

#[test]
fn a_model_whose_name_does_not_say_which_it_is_needs_its_family() {
    const PROFILE: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    let (profile, titan) = (("NEARLINE_EMBEDDING_MODEL", PROFILE), "amazon.titan-embed-text-v2:0");
    let family = ("NEARLINE_EMBEDDING_MODEL_FAMILY", titan);
    let build = reader(&[profile, family]).build(None).unwrap();
    assert_eq!((build.model_id.as_str(), build.model_family.as_deref()), (PROFILE, Some(titan)));
    let guard = reader(&[profile, family]).query().unwrap().guard;
    assert_eq!((guard.model_id.as_deref(), guard.model_family.as_deref()), (Some(PROFILE), Some(titan)));
    // The catalog may be what names the profile.
    assert_eq!(reader(&[family]).query().unwrap().guard.model_family.as_deref(), Some(titan));
    assert_eq!(reader(&[family]).publish().unwrap().as_deref(), Some(titan));
    let refused = |variables: &[(&str, &str)], part: &str| {
        let message = reader(variables).query().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert_eq!(reader(variables).build(None).unwrap_err().to_string(), message);
    };
    refused(&[profile], "set NEARLINE_EMBEDDING_MODEL_FAMILY to the id of the model behind it");
    let cohere = ("NEARLINE_EMBEDDING_MODEL", "cohere.embed-v4:0");
    refused(&[cohere, family], "`cohere.embed-v4:0` is not `amazon.titan-embed-text-v2:0`");
    refused(&[profile, ("NEARLINE_EMBEDDING_MODEL_FAMILY", "titan")], "`titan` is not supported: use");
}

#[test]
fn terraform_sets_settings_that_exist() {
    let main = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/terraform/main.tf")).unwrap();
    let assigned = main.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim());
    let set: Vec<&str> = assigned.filter(|name| name.starts_with("NEARLINE_")).collect();
    assert!(set.len() >= 14, "{set:?}");
    for name in set {
        assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name}");
    }
}

#[test]
fn the_documented_settings_are_these() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    let documented = std::fs::read_to_string(path).unwrap();
    let (introduction, table) = documented.split_at(documented.find("| setting").unwrap_or(documented.len()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, introduction.to_owned() + &markdown()).unwrap();
    } else {
        assert!(table == markdown(), "docs/settings.md is stale: run `make docs`");
    }
}

#[test]
fn the_dead_letter_queue_is_another_queue() {
    let refused = |jobs: &str, dead: &str| {
        let variables = [("NEARLINE_QUEUE_URL", jobs), ("NEARLINE_DEAD_LETTER_QUEUE_URL", dead)];
        let message = reader(&variables).worker().unwrap_err().to_string();
        message.contains("would come back for ever")
    };
    assert!(refused(
        "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"
    ));
    assert!(refused("http://127.0.0.1:4566/123456789012/jobs", "http://localhost:4566/123456789012/jobs/"));
    assert!(!refused("http://127.0.0.1:4566/123456789012/jobs", "http://127.0.0.1:4566/123456789012/jobs-dead"));
}

#[test]
fn lambda_says_where_its_api_is_and_how_many_slots_there_are() {
    assert!(reader(&[]).lambda().unwrap_err().to_string().contains("nearline worker"));
    let api = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
    assert_eq!(reader(&[api]).lambda().unwrap().slots, 1);
    let managed = reader(&[api, ("AWS_LAMBDA_MAX_CONCURRENCY", "16")]).lambda().unwrap();
    assert_eq!((managed.runtime_api.as_str(), managed.slots), (api.1, 16));
}
