//! An operator's commands: the real `nearline` on the queues of a real worker.

use devstack::bedrock::Fault;
use serde_json::Value;

use crate::world::{World, stderr, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_resent_and_answered() {
    let mut world = World::with_products(50).await;
    world.set("NEARLINE_MAX_ATTEMPTS", "1");
    world.stack.bedrock().set_fault(Some(Fault::Throttle));
    let _worker = world.worker();
    world.send(&[r#"{"request_id":"r","query":"mug"}"#, "nonsense"]).await;
    let dead = world.stack.dead_letter_queue_url();
    until("two dead letters", || async { (world.depth(dead).await == 2).then_some(()) }).await;

    let waited = world.nearline(&["result", "wait", "--timeout", "0", "r", "s"]).await;
    let said = stderr(&waited);
    assert_eq!(waited.status.code(), Some(1));
    assert!(said.contains("`r` is a dead letter: attempts_exhausted: gave up after 1 attempts"), "{said}");
    assert!(said.contains("no other dead letter belongs to them (looked at 2 of about 2)"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    let json = async |arguments: &[&str]| -> Value {
        let output = world.nearline(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let list = json(&["dead-letters", "list", "--json"]).await;
    let codes: Vec<(&str, i64)> = list["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| (reason["code"].as_str().unwrap(), reason["count"].as_i64().unwrap()))
        .collect();
    assert_eq!((codes, &list["complete"]), (vec![("attempts_exhausted", 1), ("invalid_json", 1)], &true.into()));
    let shown = json(&["dead-letters", "show", "r", "--json"]).await;
    assert_eq!(shown["body"], r#"{"request_id":"r","query":"mug"}"#);
    assert_eq!(shown["attributes"]["nearline_error_code"], "attempts_exhausted");

    world.stack.bedrock().set_fault(None);
    let resent = json(&["dead-letters", "resend", "--json"]).await;
    assert_eq!((&resent["resent"], &resent["left_out"]["invalid_json"]), (&1.into(), &1.into()));
    let status = json(&["status", "--json"]).await;
    assert_eq!((&status["dead_letters"]["waiting"], &status["catalog"]["rows"]), (&1.into(), &50.into()));
    assert!(status["queue"]["waiting"].is_u64() && status["catalog"]["published_at"].is_string(), "{status}");
    assert!(world.record("r").await.error.is_none());

    let unasked = world.nearline(&["dead-letters", "drop", "--all"]).await;
    assert_eq!((unasked.status.code(), world.depth(dead).await), (Some(2), 1), "{}", stderr(&unasked));
    assert_eq!(json(&["dead-letters", "drop", "--all", "--yes", "--json"]).await["dropped"], 1);
    assert_eq!(world.depth(dead).await, 0);
}
