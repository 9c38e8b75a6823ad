//! `nearline run`: a file of jobs in, a file of records out, whatever happens in between.

use serde_json::Value;

use crate::world::{World, until};

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Id, status and code of each line.
fn lines(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text(&value["request_id"]), text(&value["status"]), text(&value["error"]["code"]))
    };
    text.lines().map(line).collect()
}

fn job(id: &str) -> String {
    format!(r#"{{"request_id":"{id}","query":"mug"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_has_its_record_or_says_why_there_is_none() {
    let world = World::with_products(20).await;
    let _worker = world.worker();
    world.send(&[&job("old")]).await;
    world.record("old").await;
    let (jobs, output) = (world.path("jobs.jsonl"), world.path("r.jsonl"));
    let text = [
        &job("a"),
        "nope",
        r#"{"request_id":"b","top_k":0,"query":"x"}"#,
        &job("a"),
        r#"{"request_id":"a","query":"another"}"#,
        r#"{"request_id":"old","query":"another"}"#,
        &job("old"),
    ];
    std::fs::write(&jobs, text[1..].join("\n")).unwrap();
    let command = ["run", jobs.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let refused = world.nearline(&command).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("line 1 is not JSON"), "{}", said(&refused));
    std::fs::write(&jobs, text.join("\n")).unwrap();
    let done = world.nearline(&command).await;
    assert_eq!(done.status.code(), Some(1), "some have no record");
    assert!(said(&done).contains("7 jobs, 3 succeeded, 1 rejected, 3 without a record"), "{}", said(&done));
    let expected = [
        "a SUCCEEDED -",
        "- FAILED invalid_json",
        "b REJECTED out_of_range",
        "a SUCCEEDED -",
        "a FAILED request_id_conflict",
        "old FAILED request_id_conflict",
        "old SUCCEEDED -",
    ];
    assert_eq!(lines(&output), expected);
    let mut left: Vec<_> =
        std::fs::read_dir(world.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.retain(|name| name.to_string_lossy().starts_with("r.jsonl"));
    assert_eq!(left, ["r.jsonl"], "nothing else is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_goes_on_and_does_not_send_again_what_it_noted() {
    const JOBS: usize = 200;
    let world = World::with_products(20).await;
    let (jobs, output) = (world.path("jobs.jsonl"), world.path("r.jsonl"));
    let ids: Vec<String> = (0..JOBS).map(|n| format!("k-{n}")).collect();
    let text: Vec<String> = ids.iter().map(|id| job(id)).collect();
    std::fs::write(&jobs, text.join("\n")).unwrap();
    let command = ["run", jobs.to_str().unwrap(), "--output", output.to_str().unwrap(), "--timeout"];
    let depth = || world.depth(world.stack.queue_url());
    let mut run = world.command(&[&command[..], &["60"]].concat()).spawn().unwrap();
    until("some jobs to be sent", || async { (depth().await >= 10).then_some(()) }).await;
    run.kill().await.unwrap();
    let journal = std::fs::read_to_string(world.path("r.jsonl.sent")).unwrap();
    let (noted, sent) = (journal.matches('\n').count() - 1, depth().await);
    assert!(noted <= sent && sent <= JOBS, "{noted} noted, {sent} sent");
    // Nobody works: the rest is sent, and what was noted is not sent again.
    let timed_out = world.nearline(&[&command[..], &["1"]].concat()).await;
    assert_eq!(timed_out.status.code(), Some(1));
    assert!(said(&timed_out).contains("200 of 200 jobs have no record"), "{}", said(&timed_out));
    assert_eq!(depth().await, sent + JOBS - noted);
    assert!(!output.exists());
    let _worker = world.worker();
    let done = world.nearline(&[&command[..], &["60"]].concat()).await;
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(lines(&output), ids.iter().map(|id| format!("{id} SUCCEEDED -")).collect::<Vec<_>>());
    world.drained().await;
    // All have their records: nothing is sent, the same comes out.
    let first = std::fs::read(&output).unwrap();
    let again = world.nearline(&[&command[..], &["60"]].concat()).await;
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(depth().await, 0);
    assert_eq!(std::fs::read(&output).unwrap(), first);
}
