//! Every model family, from the product's text to a record.

use std::fs::File;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use nearline::catalog::{Rows, artifact};
use nearline_contract::Status;

use crate::world::{MODEL, World};

const PRODUCTS: &str =
    "product_id,category,text\na,tea,green tea leaves\nb,mugs,a large red mug\nc,tea,black tea bags\n";

async fn serves(model: &str, dimension: &str, extra: &str) -> World {
    let mut world = World::start().await;
    // One call at a time that takes a while: texts that wait for it go together into the next.
    world.set("NEARLINE_EMBEDDING_MAX_CONCURRENCY", "1");
    world.stack.bedrock().set_latency(Duration::from_millis(100));
    world.set("NEARLINE_EMBEDDING_MODEL", model);
    world.set("NEARLINE_EMBEDDING_DIMENSION", dimension);
    let (csv, output) = (world.path("products.csv"), world.path("products.arrow"));
    std::fs::write(&csv, format!("{PRODUCTS}{extra}")).unwrap();
    let (csv, output) = (csv.to_str().unwrap(), output.to_str().unwrap());
    let built = world.nearline(&["catalog", "build", "--input", csv, "--output", output]).await;
    assert!(built.status.success(), "{built:?}");
    assert!(world.nearline(&["catalog", "publish", output, "--to", &world.prefix()]).await.status.success());
    let lambda = world.lambda().await;
    let long = "mug ".repeat(700);
    let long = format!(r#"{{"request_id":"long","query":"{long}","group_by":"none"}}"#);
    world.send(&[r#"{"request_id":"r","query":"red mugs","group_by":"none"}"#, &long]).await;
    let record = world.record("r").await;
    assert_eq!((record.status, record.model_id.as_deref()), (Status::Succeeded, Some(model)));
    let matches = &record.results.as_ref().unwrap()[0].matches;
    assert_eq!((matches[0].product_id.as_str(), matches.len()), ("b", 3 + extra.lines().count()));
    world.record("long").await;
    lambda.stop().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn nova() {
    let world = serves("us.amazon.nova-2-multimodal-embeddings-v1:0", "256", "").await;
    assert!(!world.record("long").await.query_truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn titan_is_given_less_of_a_text_that_has_too_many_tokens() {
    let long = format!("d,other,{}\n", "lamp ".repeat(9_000));
    let world = serves("amazon.titan-embed-text-v2:0", "512", &long).await;
    assert!(!world.record("long").await.query_truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn cohere_v3_takes_many_texts_in_a_call_and_cuts_long_ones() {
    let world = serves("cohere.embed-multilingual-v3", "1024", "").await;
    assert!(world.record("long").await.query_truncated, "2,800 characters are more than its 2,048");
    let stats = world.stack.bedrock().stats();
    assert_eq!(stats.texts, 5);
    assert!(stats.requests < stats.texts, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cohere_v4() {
    let world = serves("global.cohere.embed-v4:0", "1536", "").await;
    assert!(!world.record("long").await.query_truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_profile_is_called_and_the_catalog_names_the_model_behind_it() {
    const PROFILE: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    let mut world = World::start().await;
    world.set("NEARLINE_EMBEDDING_MODEL", PROFILE);
    world.set("NEARLINE_EMBEDDING_DIMENSION", "256");
    let (csv, output) = (world.path("products.csv"), world.path("products.arrow"));
    std::fs::write(&csv, PRODUCTS).unwrap();
    let (csv, output) = (csv.to_str().unwrap(), output.to_str().unwrap());
    let build = ["catalog", "build", "--input", csv, "--output", output];
    let failed = world.nearline(&build).await;
    let stderr = String::from_utf8_lossy(&failed.stderr);
    assert!(!failed.status.success() && stderr.contains("set NEARLINE_EMBEDDING_MODEL_FAMILY"), "{stderr}");
    world.set("NEARLINE_EMBEDDING_MODEL_FAMILY", TITAN);
    let built = world.nearline(&build).await;
    assert!(built.status.success(), "{built:?}");
    let publish = ["catalog", "publish", output, "--to", &world.prefix()];
    assert!(world.nearline(&publish).await.status.success());
    let doctor = world.nearline(&["doctor"]).await;
    let report = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && report.contains(&format!("{PROFILE} ({TITAN})")), "{report}");
    let lambda = world.lambda().await;
    world.send(&[r#"{"request_id":"r","query":"red mugs","group_by":"none"}"#]).await;
    let record = world.record("r").await;
    assert_eq!((record.status, record.model_id.as_deref()), (Status::Succeeded, Some(TITAN)));
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_names_an_application_profile_is_usable_with_the_family_beside() {
    const PROFILE: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    let mut world = World::start().await;
    let rows = Rows {
        product_ids: vec!["a".into()],
        categories: vec!["mugs".into()],
        titles: vec![None],
        vectors: vec![1.0; 256],
        dimension: 256,
        ..Rows::default()
    };
    let path = world.path("profile.arrow");
    artifact::write(File::create(&path).unwrap(), &rows, PROFILE).unwrap();
    let (path, prefix) = (path.to_str().unwrap(), world.prefix());
    let publish = ["catalog", "publish", path, "--to", &prefix];
    let failed = world.nearline(&publish).await;
    let stderr = String::from_utf8_lossy(&failed.stderr);
    assert!(!failed.status.success() && stderr.contains("set NEARLINE_EMBEDDING_MODEL_FAMILY"), "{stderr}");
    let published = world.nearline(&[&publish[..], &["--model-family", TITAN]].concat()).await;
    assert!(published.status.success(), "{published:?}");
    let search = ["search", "--catalog", path, "--text", "red mugs"];
    assert!(!world.nearline(&search).await.status.success());
    world.set("NEARLINE_EMBEDDING_MODEL_FAMILY", TITAN);
    let found = world.nearline(&search).await;
    assert!(found.status.success(), "{found:?}");
    assert!(world.nearline(&publish).await.status.success());
    let doctor = world.nearline(&["doctor"]).await;
    assert!(doctor.status.success(), "{doctor:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_limit_and_leave_out_a_service_tier_that_the_model_refuses() {
    let mut world = World::with_products(20).await;
    world.set("NEARLINE_EMBEDDING_FLEET_REQUESTS_PER_MINUTE", "600");
    world.set("NEARLINE_EMBEDDING_SERVICE_TIER", "flex");
    world.stack.bedrock().refuse_service_tier(true);
    let workers = [world.worker(), world.worker()];
    let bodies: Vec<String> =
        (0..40).map(|number| format!(r#"{{"request_id":"r{number}","query":"mug {number}"}}"#)).collect();
    let began = Instant::now();
    world.send(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for number in 0..40 {
        assert_eq!(world.record(&format!("r{number}")).await.status, Status::Succeeded);
    }
    // Ten a second, and one that each worker may have saved up.
    assert!(began.elapsed() >= Duration::from_millis(3_700), "{:?}", began.elapsed());
    drop(workers);
    let log = std::fs::read_to_string(world.path("worker.log")).unwrap();
    let warnings = log.lines().filter(|line| line.contains("service_tier_refused")).count();
    let stats = world.stack.bedrock().stats();
    assert!((1..=2).contains(&warnings) && (1..30).contains(&stats.in_tier), "{warnings} {stats:?} {log}");

    let dynamodb = aws_sdk_dynamodb::Client::new(&world.stack.sdk_config());
    let key = AttributeValue::S(format!("embedding rate: {MODEL}"));
    let get = dynamodb.get_item().table_name(world.stack.results_table()).key("request_id", key);
    let item = get.send().await.unwrap().item.expect("the shares are kept in the table");
    let state: serde_json::Value = serde_json::from_str(item["state"].as_s().unwrap()).unwrap();
    assert_eq!(state["processes"].as_object().unwrap().len(), 2, "{state}");
    assert!(item.contains_key("expires_at"), "it goes when nobody writes it any more");
}
