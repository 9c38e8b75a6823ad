//! `nearline doctor` with the real binary: what it says, its exit code, and that it changes nothing.

use std::process::Output;

use serde_json::Value;

use crate::world::{World, stderr};

/// The checks of `--json` that failed or warn, and all that is said.
fn report(output: &Output) -> (Vec<(String, String)>, Value) {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    let told = checks.map(|check| (text(check, "id"), text(check, "status")));
    (told.filter(|(_, status)| status == "failed" || status == "warning").collect(), report)
}

fn named(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter().map(|(id, status)| (id.as_str(), status.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_that_is_well_passes_and_is_left_as_it_was() {
    let world = World::with_products(20).await;
    world.send(&[r#"{"request_id":"r","query":"red mugs"}"#]).await;
    let well = world.nearline(&["doctor", "--function-timeout", "10s"]).await;
    let said = String::from_utf8_lossy(&well.stdout).into_owned();
    assert!(well.status.success(), "{said}");
    assert!(said.contains("35 checks in ") && said.contains(" s: ok 34, warnings 0, failed 0"), "{said}");
    assert!(said.contains("arn:aws:"), "whose credentials: {said}");
    assert_eq!(world.depth(world.stack.queue_url()).await, 1);
    assert_eq!(world.depth(world.stack.dead_letter_queue_url()).await, 0);
    let scanned = aws_sdk_dynamodb::Client::new(&world.stack.sdk_config()).scan();
    assert_eq!(scanned.table_name(world.stack.results_table()).send().await.unwrap().count(), 0);
    let listed = aws_sdk_s3::Client::new(&world.stack.sdk_config()).list_objects_v2();
    let listed = listed.bucket(world.stack.bucket()).prefix("results/").send().await.unwrap();
    assert_eq!(listed.key_count(), Some(0));
    // The job was never received.
    let _worker = world.worker();
    world.record("r").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_fails_with_how_to_fix_it_and_warnings_do_not() {
    let mut world = World::with_products(20).await;
    let (sqs, dead) = (world.sqs(), world.stack.dead_letter_queue_url().to_owned());
    sqs.send_message().queue_url(&dead).message_body("{}").send().await.unwrap();
    let warned = world.nearline(&["doctor", "--json"]).await;
    let (told, seen) = report(&warned);
    assert!(warned.status.success(), "{seen}");
    assert_eq!(named(&told), [("dead_letter_queue.messages", "warning")], "{seen}");
    assert_eq!(seen["ok"], true);
    let small = aws_sdk_sqs::types::QueueAttributeName::MaximumMessageSize;
    sqs.set_queue_attributes().queue_url(&dead).attributes(small, "1024").send().await.unwrap();
    sqs.purge_queue().queue_url(&dead).send().await.unwrap();
    world.set("NEARLINE_RESULTS_TABLE", "no-such-table");
    world.stack.bedrock().set_fault(Some(devstack::bedrock::Fault::AccessDenied));
    let ill = world.nearline(&["doctor", "--json"]).await;
    let (told, seen) = report(&ill);
    let failed = ["dead_letter_queue.message_size", "results_table", "bedrock:InvokeModel"];
    assert_eq!(named(&told), failed.map(|id| (id, "failed")), "{seen}");
    assert_eq!((ill.status.code(), &seen["ok"]), (Some(1), &false.into()));
    assert_eq!(stderr(&ill), format!("nearline: 3 of 35 checks failed: {}\n", failed.join(", ")));
    let fixed = |check: &Value| check["status"] != "failed" || !check["fix"].as_str().unwrap().is_empty();
    assert!(seen["checks"].as_array().unwrap().iter().all(fixed), "{seen}");

    let jobs = world.stack.queue_url().to_owned();
    world.set("NEARLINE_DEAD_LETTER_QUEUE_URL", &jobs);
    for command in ["doctor", "worker"] {
        let refused = world.nearline(&[command]).await;
        assert_eq!(refused.status.code(), Some(1), "{command}");
        let said = [refused.stdout, refused.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains("is the same queue as NEARLINE_QUEUE_URL"), "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_or_region_one_line_says_so_and_the_rest_is_skipped() {
    let world = World::start().await;
    world.write("no-profile", "");
    for (names, id) in [
        (&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"][..], "credentials"),
        (&["AWS_REGION", "AWS_DEFAULT_REGION"], "region"),
    ] {
        let mut doctor = world.command(&["doctor", "--json"]);
        for name in names {
            doctor.env_remove(name);
        }
        for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            doctor.env(file, world.path("no-profile"));
        }
        let ill = doctor.output().await.unwrap();
        let (told, seen) = report(&ill);
        assert_eq!(named(&told), [(id, "failed")], "{seen}");
        assert_eq!(stderr(&ill), format!("nearline: 1 of 35 checks failed: {id}\n"));
        let skipped = |check: &&Value| check["found"] == format!("see `{id}`");
        assert_eq!(seen["checks"].as_array().unwrap().iter().filter(skipped).count(), 30, "{seen}");
    }
}
