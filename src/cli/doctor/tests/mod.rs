//! Every fault that doctor knows, one at a time, in a set-up of canned answers that is well otherwise: exactly the checks
//! that it belongs to change.

mod catalogs;
mod world;

use super::check::Status::{self, Failed, NotShown, Skipped, Warning};
use super::{UNKNOWN, credentials, everything_else, summary};
use crate::aws::tests::answers::Answer;
use world::{DEAD, JOBS, World, arn, queue, status_when_well, table, time_to_live, vector};

const TITAN: &str = "amazon.titan-embed-text-v2:0";

fn world() -> World {
    World::default()
}

fn all(ids: impl IntoIterator<Item = &'static str>, status: Status) -> Vec<(&'static str, Status)> {
    ids.into_iter().map(|id| (id, status)).collect()
}

#[tokio::test]
async fn what_is_well_is_said_in_a_line_for_each_check_and_nothing_is_received_or_changed() {
    let (checks, asked) = world().function_timeout(60).examined().await;
    let ids: Vec<&str> = checks.iter().map(|check| check.id).collect();
    let first = ["settings", UNKNOWN, credentials::CREDENTIALS, credentials::REGION, credentials::CLOCK];
    assert_eq!(ids, first.into_iter().chain(everything_else()).collect::<Vec<_>>());
    for check in &checks {
        assert_eq!(check.status, status_when_well(check.id), "{check:?}");
    }
    let said = |id: &str| checks.iter().find(|check| check.id == id).unwrap().found.clone();
    assert_eq!(said("credentials"), "arn:aws:sts::123456789012:assumed-role/worker/i");
    assert_eq!(said("region"), "eu-west-1");
    assert!(said("catalog.pointer").contains("s3://bucket/p: version "), "{}", said("catalog.pointer"));
    assert!(said("catalog.artifact").contains("1 products, 256 dimensions"), "{}", said("catalog.artifact"));
    assert!(said("model").starts_with("amazon.titan-embed-text-v2:0: 256 numbers in "), "{}", said("model"));
    let mut asked = asked.names();
    asked.sort_unstable();
    let once = [
        "BatchGetItem",
        "ChangeMessageVisibilityBatch jobs",
        "DeleteMessageBatch jobs",
        "DescribeTable",
        "DescribeTimeToLive",
        "GET p/candidate.json",
        "GET p/catalogs/v.arrow",
        "GET p/current.json",
        "GetCallerIdentity",
        "GetItem",
        "GetQueueAttributes dead",
        "GetQueueAttributes jobs",
        "HEAD",
        "InvokeModel",
        "PUT results/nearline-doctor",
        "PutItem",
        "SendMessageBatch dead",
    ];
    assert_eq!(asked, once);
    let took = std::time::Duration::from_millis(1_234);
    assert_eq!(summary(&checks, took), "35 checks in 1.2 s: ok 34, warnings 0, failed 0, skipped 0, not shown 1");
}

#[tokio::test]
async fn faulty_settings_are_said_and_what_needs_no_setting_is_still_looked_at() {
    let skipped = || all(everything_else(), Skipped);
    let ills = [vec![("settings", Failed)], skipped()].concat();
    world().set("NEARLINE_RESULTS_TABLE", "").shows(&ills, "NEARLINE_RESULTS_TABLE is not set").await;
    world().set("NEARLINE_DEAD_LETTER_QUEUE_URL", JOBS).shows(&ills, "is the same queue as NEARLINE_QUEUE_URL").await;
    let ills = [vec![("settings", Failed), (UNKNOWN, Failed)], skipped()].concat();
    world().set("NEARLINE_MAX_ATTEMPTS", "no").set("NEARLINE_TABLE", "x").shows(&ills, "was `no`\n").await;
    let found = "NEARLINE_BUCKET is not a setting, did you mean NEARLINE_RESULTS_BUCKET?";
    world().set("NEARLINE_BUCKET", "x").shows(&[(UNKNOWN, Failed)], found).await;
}

#[tokio::test]
async fn refused_credentials_are_said_once_and_all_that_depends_on_them_is_skipped() {
    let ills = [vec![("credentials", Failed)], all(everything_else(), Skipped)].concat();
    for code in ["InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"] {
        world().answers("", Answer::refusal(403, code).dated(0)).shows(&ills, code).await;
    }
    // Where STS is out of reach, a service tells.
    let sts = || world().answers("GetCallerIdentity", Answer::refusal(503, "ServiceUnavailable").dated(0));
    let refused = Answer::refusal(403, "UnrecognizedClientException");
    sts().answers("", refused).shows(&ills, "UnrecognizedClientException").await;
    assert_eq!(sts().ills().await, []);
    let denied = sts().answers("GetQueueAttributes jobs", Answer::denied()).ills().await;
    assert!(denied.iter().all(|check| check.id != "credentials"), "{denied:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_answers_does_not_hang_doctor() {
    let began = tokio::time::Instant::now();
    let ills = world().answers("", Answer::never()).ills().await;
    assert!(began.elapsed() < std::time::Duration::from_mins(1), "{:?}", began.elapsed());
    let failed: Vec<&str> = ills.iter().filter(|check| check.is_failed()).map(|check| check.id).collect();
    assert_eq!(failed, ["job_queue", "dead_letter_queue", "results_table", "results_bucket", "catalog.pointer"]);
    let not_shown: Vec<&str> = ills.iter().filter(|check| check.status == NotShown).map(|check| check.id).collect();
    assert_eq!(not_shown, ["credentials", "clock"], "nothing is told twice");
    assert!(
        ills.iter().any(|check| check.id == "catalog.pointer" && check.found == "s3://bucket/p: no answer within 15 s")
    );
    let ills = [("model", Failed), ("bedrock:InvokeModel", Skipped)];
    world().answers("InvokeModel", Answer::never()).shows(&ills, "no answer").await;
}

#[tokio::test]
async fn a_wrong_clock_is_said_before_aws_refuses_signatures_for_it() {
    for (seconds, ills, words) in [
        (50, &[][..], ""),
        (-50, &[], ""),
        (70, &[("clock", Warning)], "s behind the services'"),
        (-70, &[("clock", Warning)], "s ahead of the services'"),
        (400, &[("clock", Failed)], "s behind the services'"),
    ] {
        let sts = Answer::with("<GetCallerIdentityResponse/>").dated(seconds);
        let world = world().answers("GetCallerIdentity", sts);
        if ills.is_empty() { assert_eq!(world.ills().await, []) } else { world.shows(ills, words).await }
    }
    let ills = [vec![("credentials", Failed), ("clock", Failed)], all(everything_else(), Skipped)].concat();
    let skewed = Answer::refusal(403, "SignatureDoesNotMatch").dated(-1_000);
    world().answers("GetCallerIdentity", skewed).shows(&ills, "see `clock`").await;
    let dateless = Answer::with("<GetCallerIdentityResponse/>");
    world().answers("GetCallerIdentity", dateless).shows(&[("clock", NotShown)], "had a date").await;
}

#[tokio::test]
async fn a_job_queue_is_compared_with_settings_and_function() {
    let jobs = |changes: &[(&str, &str)]| world().answers("GetQueueAttributes jobs", queue("jobs", changes));
    let redrive =
        |target: &str, count| format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"{count}"}}"#, arn(target));
    let warned = |id| [(id, Warning)];
    jobs(&[("RedrivePolicy", "null")]).shows(&warned("job_queue.redrive"), "no redrive policy").await;
    let other = redrive("other", 100);
    jobs(&[("RedrivePolicy", &other)]).shows(&warned("job_queue.redrive"), "moves messages to arn:aws:sqs").await;
    let few = redrive("dead", 20);
    jobs(&[("RedrivePolicy", &few)]).shows(&warned("job_queue.redrive"), "after 20 receives, which is not above").await;
    assert_eq!(jobs(&[("RedrivePolicy", &redrive("dead", 21))]).ills().await, []);
    let short = || jobs(&[("VisibilityTimeout", "59")]).function_timeout(60);
    short().shows(&[("job_queue.visibility", Failed)], "raise VisibilityTimeout to 360 s").await;
    let usual = || jobs(&[("VisibilityTimeout", "359")]);
    usual().function_timeout(60).shows(&warned("job_queue.visibility"), "less than six").await;
    assert_eq!(usual().ills().await, []);
    jobs(&[("VisibilityTimeout", "29")]).shows(&warned("job_queue.visibility"), "29 s").await;
    jobs(&[("MessageRetentionPeriod", "3600")])
        .shows(&warned("job_queue.retention"), "1 h: messages that wait longer")
        .await;
    jobs(&[("MaximumMessageSize", "65536")]).shows(&warned("job_queue.message_size"), "65536 bytes").await;
    for (id, attribute) in
        [("job_queue.visibility", "VisibilityTimeout"), ("job_queue.retention", "MessageRetentionPeriod")]
    {
        jobs(&[(attribute, "null")]).shows(&[(id, NotShown)], "did not return it").await;
    }
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_said_once() {
    let of_jobs = ["job_queue.redrive", "job_queue.visibility", "job_queue.message_size", "job_queue.retention"];
    let permissions = ["sqs:GetQueueAttributes", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"];
    let sizes = [("dead_letter_queue.message_size", NotShown)];
    let missing = || Answer::refusal(400, "QueueDoesNotExist");
    let jobs = [vec![("job_queue", Failed)], all(of_jobs, Skipped), sizes.to_vec(), all(permissions, Skipped)].concat();
    let without = || {
        let world = world().answers("GetQueueAttributes jobs", missing()).answers("DeleteMessageBatch", missing());
        world.answers("ChangeMessageVisibilityBatch", missing())
    };
    without().shows(&jobs, "create the queue, or correct NEARLINE_QUEUE_URL").await;
    let elsewhere = JOBS.replace("eu-west-1", "us-east-1");
    without().set("NEARLINE_QUEUE_URL", &elsewhere).shows(&jobs, "a queue in us-east-1, calls go to eu-west-1").await;
    let of_dead = ["dead_letter_queue.message_size", "dead_letter_queue.retention", "dead_letter_queue.messages"];
    let dead =
        [vec![("dead_letter_queue", Failed)], all(of_dead, Skipped), vec![("sqs:SendMessage", Skipped)]].concat();
    let world = || world().answers("SendMessageBatch", missing());
    world().answers("GetQueueAttributes dead", missing()).shows(&dead, "QueueDoesNotExist").await;
    // Who may not read its attributes still learns that it is not there.
    world().answers("GetQueueAttributes dead", Answer::denied()).shows(&dead, "QueueDoesNotExist").await;
}

#[tokio::test]
async fn a_dead_letter_queue_is_compared_with_the_job_queue() {
    let dead = |changes: &[(&str, &str)]| world().answers("GetQueueAttributes dead", queue("dead", changes));
    let none = |id| (id, Skipped);
    let ills = [
        ("dead_letter_queue", Warning),
        none("dead_letter_queue.fifo"),
        none("dead_letter_queue.message_size"),
        none("dead_letter_queue.retention"),
        none("dead_letter_queue.messages"),
        none("sqs:SendMessage"),
    ];
    world().set("NEARLINE_DEAD_LETTER_QUEUE_URL", "").shows(&ills, "not set").await;
    let same = dead(&[("QueueArn", &arn("jobs"))]);
    same.shows(&[("job_queue.redrive", Warning), ("dead_letter_queue", Failed)], "moves messages to").await;
    let size = |dead: &'static str, jobs: &'static str| {
        let world = world().answers("GetQueueAttributes dead", queue("dead", &[("MaximumMessageSize", dead)]));
        world.answers("GetQueueAttributes jobs", queue("jobs", &[("MaximumMessageSize", jobs)]))
    };
    size("262144", "1048576").shows(&[("dead_letter_queue.message_size", Failed)], "262144 bytes").await;
    size("262144", "262144").shows(&[("dead_letter_queue.message_size", Warning)], "their reasons").await;
    assert_eq!(size("263424", "262144").ills().await, []);
    let young = dead(&[("MessageRetentionPeriod", "345600")]);
    young.shows(&[("dead_letter_queue.retention", Warning)], "4 days, the job queue 4 days").await;
    let full = dead(&[("ApproximateNumberOfMessages", "3"), ("ApproximateNumberOfMessagesNotVisible", "2")]);
    full.shows(&[("dead_letter_queue.messages", Warning)], "about 5: jobs").await;
    let fifo = world().set("NEARLINE_QUEUE_URL", &format!("{JOBS}.fifo"));
    fifo.shows(&[("dead_letter_queue.fifo", Failed)], "the job queue is FIFO, the dead-letter queue standard").await;
    let fifo = world().set("NEARLINE_DEAD_LETTER_QUEUE_URL", &format!("{DEAD}.fifo"));
    fifo.shows(&[("dead_letter_queue.fifo", Failed)], "the job queue is standard, the dead-letter queue FIFO").await;
}

#[tokio::test]
async fn a_table_that_cannot_hold_records_is_said_and_how_it_should_be() {
    let described = |answer| world().answers("DescribeTable", answer);
    let failed = [("results_table", Failed)];
    described(table("id", "S", "ACTIVE", "PAY_PER_REQUEST")).shows(&failed, "its key is id HASH S").await;
    described(table("request_id", "N", "ACTIVE", "PAY_PER_REQUEST")).shows(&failed, "request_id HASH N").await;
    described(table("request_id", "S", "DELETING", "PAY_PER_REQUEST")).shows(&failed, "DELETING").await;
    let billing = [("results_table.billing", Warning)];
    described(table("request_id", "S", "ACTIVE", "PROVISIONED")).shows(&billing, "5 read and 5 write").await;
    let ttl = [("results_table.ttl", Warning)];
    let living = |attribute, status| world().answers("DescribeTimeToLive", time_to_live(attribute, status));
    living("expires_at", "DISABLED").shows(&ttl, "off").await;
    living("created_at", "ENABLED").shows(&ttl, "on `created_at`").await;
    let missing = || Answer::refusal(400, "ResourceNotFoundException");
    let ills = [
        failed.to_vec(),
        all(["results_table.ttl", "results_table.billing"], Skipped),
        all(["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem"], Skipped),
    ]
    .concat();
    let without = || {
        let asked = ["BatchGetItem", "GetItem", "PutItem", "DescribeTimeToLive"].into_iter();
        asked.fold(world(), |world, asked| world.answers(asked, missing()))
    };
    without().answers("DescribeTable", missing()).shows(&ills, "ResourceNotFoundException").await;
    without().answers("DescribeTable", Answer::denied()).shows(&ills, "ResourceNotFoundException").await;
}

#[tokio::test]
async fn a_bucket_that_results_cannot_go_to_is_said() {
    let failed = [("results_bucket", Failed)];
    let head = |answer| world().answers("HEAD", answer);
    let elsewhere = || Answer::with("").header("x-amz-bucket-region", "us-east-2");
    head(elsewhere()).shows(&failed, "is in us-east-2, calls go to eu-west-1").await;
    let moved = Answer::refusal(301, "PermanentRedirect").header("x-amz-bucket-region", "us-east-2");
    head(moved).shows(&failed, "the bucket is in us-east-2").await;
    let missing = || Answer::refusal(404, "NoSuchBucket");
    let ills = [failed[0], ("s3:PutObject", Skipped)];
    head(missing()).answers("PUT", missing()).shows(&ills, "bucket: ").await;
    head(Answer::denied()).answers("PUT", missing()).shows(&ills, "NoSuchBucket").await;
    let unset = world().set("NEARLINE_RESULTS_BUCKET", "");
    unset.shows(&[("results_bucket", Warning), ("s3:PutObject", Skipped)], "result_too_large").await;
}

#[tokio::test]
async fn a_model_that_does_not_answer_is_said() {
    let invoke = |answer| world().answers("InvokeModel", answer);
    let ills = [("model", Failed), ("bedrock:InvokeModel", Skipped)];
    invoke(Answer::refusal(404, "ResourceNotFoundException")).shows(&ills, "inference profile").await;
    invoke(Answer::refusal(400, "ValidationException")).shows(&ills, "ValidationException").await;
    invoke(vector(512)).shows(&ills, "length 512, expected 256").await;
}

#[tokio::test]
async fn each_permission_is_shown_by_itself() {
    let denied = |asked, ills: &'static [(&'static str, Status)]| async move {
        world().answers(asked, Answer::denied()).shows(ills, "").await;
        let checks = world().answers(asked, Answer::denied()).ills().await;
        let told: Vec<_> = checks.iter().filter(|check| check.found.contains("AccessDenied")).collect();
        assert!(told.len() <= 1, "{told:?}");
        let helps = |fix: &str| fix.starts_with("allow ") || fix.starts_with("grant ");
        assert!(told.iter().all(|check| check.fix.as_deref().is_some_and(helps)), "{told:?}");
    };
    denied("DeleteMessageBatch", &[("sqs:DeleteMessage", Failed)]).await;
    denied("ChangeMessageVisibilityBatch", &[("sqs:ChangeMessageVisibility", Failed)]).await;
    denied("SendMessageBatch", &[("sqs:SendMessage", Failed)]).await;
    denied("BatchGetItem", &[("dynamodb:BatchGetItem", Failed)]).await;
    denied("GetItem", &[("dynamodb:GetItem", Warning)]).await;
    denied("PutItem", &[("dynamodb:PutItem", Failed)]).await;
    denied("InvokeModel", &[("model", Skipped), ("bedrock:InvokeModel", Failed)]).await;
    denied("DescribeTable", &[("results_table", NotShown), ("results_table.billing", Skipped)]).await;
    denied("DescribeTimeToLive", &[("results_table.ttl", NotShown)]).await;
    let ills = [("s3:PutObject", Failed)];
    world().answers("PUT", Answer::denied()).shows(&ills, "results/*").await;
    world().answers("HEAD", Answer::denied()).shows(&[("results_bucket", NotShown)], "s3:ListBucket").await;
    let unread = ["catalog.pointer", "catalog.artifact", "catalog.guard", "model", "catalog.candidate"];
    let ills = [all(unread, Skipped), vec![("s3:GetObject", Failed), ("bedrock:InvokeModel", Skipped)]].concat();
    world().answers("GET p", Answer::denied()).shows(&ills, "see `s3:GetObject`").await;
    let of_jobs = ["job_queue", "job_queue.redrive", "job_queue.visibility", "job_queue.message_size"];
    let ills = [
        all(of_jobs.into_iter().chain(["job_queue.retention"]), Skipped),
        vec![("dead_letter_queue.message_size", NotShown), ("sqs:GetQueueAttributes", Failed)],
    ]
    .concat();
    world().answers("GetQueueAttributes jobs", Answer::denied()).shows(&ills, "see `sqs:GetQueueAttributes`").await;
    // What no worker needs is not a failure.
    let of_dead = ["dead_letter_queue.message_size", "dead_letter_queue.retention", "dead_letter_queue.messages"];
    let ills = [vec![("dead_letter_queue", NotShown)], all(of_dead, Skipped)].concat();
    world().answers("GetQueueAttributes dead", Answer::denied()).shows(&ills, "no worker needs it").await;
    // Of what may not be described, trying it tells whether it is as it must be.
    let ills = [("results_bucket", NotShown), ("s3:PutObject", Failed)];
    let moved = world().answers("PUT", Answer::refusal(301, "PermanentRedirect"));
    moved.answers("HEAD", Answer::denied()).shows(&ills, "access denied").await;
    // A fault on the way shows nothing.
    let throttled = Answer::refusal(400, "ThrottlingException");
    world().answers("PutItem", throttled).shows(&[("dynamodb:PutItem", NotShown)], "ThrottlingException").await;
}
