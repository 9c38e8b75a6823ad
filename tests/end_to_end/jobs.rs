//! Jobs as people have them: files of all kinds, bodies that are not jobs, queues with limits of their own.

use aws_sdk_sqs::types::QueueAttributeName;

use crate::world::{World, until};

const JOBS: [&str; 2] = [r#"{"request_id":"a","query":"speaker"}"#, r#"{"request_id":"b","query":"phone"}"#];

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_file_of_jobs_sends_nothing() {
    let world = World::start().await;
    let utf16: Vec<u8> = JOBS.join("\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [(&[u8], &str); 6] = [
        (b"{\n  \"request_id\": \"p\",\n  \"query\": \"speaker\"\n}\n", "a JSON object of several lines"),
        (b"request_id,query\nc1,speaker\n", "looks like a table (CSV)"),
        (&[&[0xff, 0xfe], &utf16[..]].concat(), "this is UTF-16 text: save it as UTF-8"),
        (&utf16, "this is UTF-16 text: save it as UTF-8"),
        (b"PK\x03\x04\x14\x00\x06\x00....[Content_Types].xml", "an Excel workbook"),
        (b"\n", "there are no jobs in it"),
    ];
    let path = world.path("jobs");
    let file = path.to_str().unwrap();
    for (bytes, named) in files {
        std::fs::write(&path, bytes).unwrap();
        let refused = world.nearline(&["enqueue", "--file", file]).await;
        assert_eq!(refused.status.code(), Some(1), "{named}");
        assert!(said(&refused).contains(named), "{}", said(&refused));
    }
    assert_eq!(world.depth(world.stack.queue_url()).await, 0);
    for (text, count) in
        [(format!("\u{feff}{}\r\n{}\r\n", JOBS[0], JOBS[1]), 2), (format!("[\n {},\n {}\n]\n", JOBS[0], JOBS[1]), 4)]
    {
        std::fs::write(&path, text).unwrap();
        let sent = world.nearline(&["enqueue", "--check", "--file", file]).await;
        assert!(sent.status.success() && said(&sent).contains("2 jobs sent"), "{}", said(&sent));
        assert_eq!(world.depth(world.stack.queue_url()).await, count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_sqs_refuses_hides_no_other() {
    let world = World::start().await;
    let (sqs, queue) = (world.sqs(), world.stack.queue_url());
    let most = QueueAttributeName::MaximumMessageSize;
    sqs.set_queue_attributes().queue_url(queue).attributes(most, "1024").send().await.unwrap();
    let mut lines: Vec<String> = (1..=14).map(|n| format!(r#"{{"request_id":"j{n}","query":"mug"}}"#)).collect();
    lines[3] = lines[3].replace("mug", &"m".repeat(2_000));
    lines[5] = lines[5].replace("mug", "m\u{ffff}g");
    let (path, rest) = (world.path("jobs.jsonl"), world.path("rest.jsonl"));
    std::fs::write(&path, lines.join("\n")).unwrap();
    let (file, unsent) = (path.to_str().unwrap(), rest.to_str().unwrap());
    let checked = world.nearline(&["enqueue", "--check", "--file", file]).await;
    assert_eq!(checked.status.code(), Some(1));
    let message = said(&checked);
    assert!(message.contains("line 4 cannot be sent: it is 2030 bytes; the queue allows at most 1024"), "{message}");
    assert!(message.contains("line 6 cannot be sent: it has the character U+FFFF"), "{message}");
    assert_eq!(world.depth(queue).await, 0);
    let sent = world.nearline(&["enqueue", "--file", file, "--unsent", unsent]).await;
    assert_eq!(sent.status.code(), Some(1));
    assert!(said(&sent).contains("12 of 14 jobs sent"), "{}", said(&sent));
    assert!(said(&sent).contains("not sent: lines 4, 6 (line 4: it is 2030 bytes"), "{}", said(&sent));
    assert_eq!(world.depth(queue).await, 12);
    assert_eq!(std::fs::read_to_string(&rest).unwrap(), format!("{}\n{}\n", lines[3], lines[5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_is_dead_lettered_with_words_that_lead_to_the_cause() {
    let world = World::with_products(20).await;
    let _worker = world.worker();
    let twice = serde_json::to_string(JOBS[0]).unwrap();
    let bodies = [
        r#"{"Type":"Notification","MessageId":"x","TopicArn":"arn:aws:sns:us-east-1:123456789012:t","Message":"{}"}"#,
        r#"{"version":"0","detail-type":"Job","source":"shop","detail":{"request_id":"a","query":"x"}}"#,
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#,
        twice.as_str(),
        r#"{"request_id":"half","query":"party \ud83d"}"#,
    ];
    world.send(&bodies).await;
    let letters = world.dead_letters(bodies.len()).await;
    for (body, code, words) in [
        (bodies[0], "invalid_request_id", "turn raw message delivery on"),
        (bodies[1], "invalid_request_id", "an EventBridge event `Job` from shop"),
        (bodies[2], "invalid_request_id", "the test event of S3's notifications"),
        (bodies[3], "invalid_json", "the job was encoded twice"),
        (bodies[4], "invalid_json", "half a character (\\ud83d)"),
    ] {
        let letter = letters.iter().find(|letter| letter.body == body).unwrap();
        assert!(letter.code == code && letter.reason.contains(words), "{letter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_records_that_exist_are_printed_and_all_others_named() {
    let world = World::with_products(20).await;
    let _worker = world.worker();
    world.send(&JOBS).await;
    for id in ["a", "b"] {
        world.record(id).await;
    }
    let got = world.nearline(&["result", "get", "a", "nope", "b", "never"]).await;
    assert_eq!(got.status.code(), Some(1));
    let ids = String::from_utf8_lossy(&got.stdout).lines().map(|line| line[..17].to_owned()).collect::<Vec<_>>();
    assert_eq!(ids, [r#"{"request_id":"a""#, r#"{"request_id":"b""#]);
    assert_eq!(said(&got), "nearline: there is no record for `nope`, `never`\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_names_are_found_at_the_start() {
    let mut world = World::with_products(20).await;
    world.set("NEARLINE_MAX_ATTEMPT", "3");
    let ill = world.nearline(&["doctor"]).await;
    let checks = String::from_utf8_lossy(&ill.stdout).into_owned();
    assert_eq!(ill.status.code(), Some(1));
    assert!(checks.contains("NEARLINE_MAX_ATTEMPT is not a setting, did you mean NEARLINE_MAX_ATTEMPTS?"), "{checks}");
    let worker = world.worker();
    let log = || std::fs::read_to_string(world.path("worker.log")).unwrap_or_default();
    until("the worker to poll", || async { log().contains("\"polling\"").then_some(()) }).await;
    assert!(log().contains("unknown_setting") && log().contains("NEARLINE_MAX_ATTEMPTS?"), "{}", log());
    drop(worker);
    world.set("NEARLINE_RESULTS_TABLE", "no-such-table");
    let refused = world.nearline(&["worker"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("NEARLINE_RESULTS_TABLE"), "{}", said(&refused));
    assert!(said(&refused).contains("no-such-table"), "{}", said(&refused));
}
