//! Letters on their way back.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{HOUR, World, job, parse};
use crate::cli::dead_letters::looked::hidden_for;
use crate::cli::dead_letters::resend::resend;
use crate::fault::Cause;
use crate::fault_plan::Moment;
use crate::intake::Queue;

#[tokio::test(start_paused = true)]
async fn resend_leaves_out_what_would_only_come_back_unless_it_is_asked_for() {
    let world = World::standard().await;
    world.letter("a", "attempts_exhausted");
    world.put(job("moved"), None, None);
    world.letter("conflict", "request_id_conflict");
    world.put("nonsense".into(), Some("invalid_json"), None);
    world.put(r#"{"query":"mug"}"#.into(), Some("invalid_request_id"), None);
    let (tally, looked) = world.resend(&[]).await;
    assert_eq!(world.sent(), [job("a"), job("moved")]);
    assert!(world.jobs.all().iter().all(|message| message.attributes.is_empty()), "without their reasons");
    let said = tally.summary("jobs", &looked).unwrap();
    let left_out =
        "skipped 1 invalid_json, 1 invalid_request_id, 1 request_id_conflict, which would only be dead-lettered";
    assert!(said.contains(left_out), "{said}");
    assert_eq!((world.dead.all().len(), world.visible().await), (3, 3));
    world.resend(&["--id", "conflict"]).await;
    let (tally, looked) = world.resend(&["--id", "nobody"]).await;
    let failed = tally.summary("jobs", &looked).unwrap_err().to_string();
    assert!(failed.contains("no dead letter has the id `nobody`"), "{failed}");
    assert_eq!(world.sent().len(), 3);
    world.resend(&["--all"]).await;
    assert_eq!((world.sent().len(), world.dead.all().len()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn resend_keeps_to_its_rate_and_limit() {
    let world = World::standard().await;
    for number in 0..100 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    let began = Instant::now();
    let (tally, _) = world.resend(&["--rate", "5", "--limit", "61"]).await;
    let seconds = began.elapsed().as_secs();
    assert_eq!((tally.resent, world.sent().len(), world.visible().await), (61, 61, 39));
    assert!((11..=13).contains(&seconds), "61 at 5 a second: {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_or_in_during_a_run_is_left_for_the_next() {
    let world = World::standard().await;
    for number in 0..20 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    let run = world.resend(&["--rate", "1"]);
    // A worker that gives up at once, and a letter of somebody else's.
    let worker = async {
        sleep(Duration::from_millis(5_500)).await;
        world.letter("new", "attempts_exhausted");
        for _ in 0..100 {
            for delivery in world.jobs.receive(10, Duration::ZERO, HOUR).await.unwrap() {
                world.put(delivery.body, Some("attempts_exhausted"), None);
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let ((tally, _), ()) = tokio::join!(run, worker);
    assert_eq!(tally.resent, 20, "each once");
    let mut left: Vec<String> = world.dead.all().into_iter().map(|letter| letter.body).collect();
    left.sort_unstable();
    left.dedup();
    assert_eq!((left.len(), world.dead.all().len()), (21, 21));
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_came_twice_is_sent_once_a_run() {
    let world = World::standard().await;
    world.letter("a", "attempts_exhausted");
    world.letter("a", "attempts_exhausted");
    let (tally, _) = world.resend(&[]).await;
    assert_eq!((tally.resent, tally.same_job, world.dead.all().len()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn wherever_a_resend_ends_nothing_is_lost() {
    for (operation, moment) in [
        ("SendMessageBatch", Moment::Before),
        ("SendMessageBatch", Moment::After),
        ("DeleteMessageBatch", Moment::Before),
        ("DeleteMessageBatch", Moment::After),
    ] {
        for fifo in [false, true] {
            let world = World::new(if fifo { "jobs.fifo" } else { "jobs" }, "dead").await;
            for number in 0..30 {
                world.letter(&format!("a{number:02}"), "attempts_exhausted");
            }
            // As a permission that is missing: it ends the run.
            world.plan.fail_next(operation, moment, Cause::AccessDenied);
            let (tally, looked) = world.resend(&[]).await;
            assert!(tally.summary("jobs", &looked).is_err());
            let union = |world: &World| {
                let queues = [world.dead.all(), world.jobs.all()];
                let all: std::collections::BTreeSet<String> = queues.into_iter().flatten().map(|m| m.body).collect();
                all.len()
            };
            assert_eq!(union(&world), 30, "{operation} {moment:?}");
            assert!(world.sent().len() <= 10, "no letter is sent after that");
            assert_eq!(world.visible().await, world.dead.all().len() as u64, "given back");
            let (tally, _) = world.resend(&[]).await;
            assert_eq!((tally.error, world.dead.all().len()), (None, 0));
            let mut sent = world.sent();
            let copies = sent.len() - 30;
            sent.dedup();
            assert_eq!(sent.len(), 30);
            // What was sent before is sent again, which a FIFO queue knows.
            let twice = !fifo && (operation, moment) != ("SendMessageBatch", Moment::Before);
            let deleted = (operation, moment) == ("DeleteMessageBatch", Moment::After);
            assert_eq!(copies, if twice && !deleted { 10 } else { 0 }, "{operation} {moment:?} {fifo}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_told_to_stop_gives_back_what_it_holds() {
    let world = World::standard().await;
    for number in 0..100 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    let stop = CancellationToken::new();
    let args = parse(&["--rate", "10"]);
    let walk = world.walk_until(stop.clone()).await;
    let run = resend(walk, &world.jobs, &args);
    let interrupt = async {
        sleep(Duration::from_millis(2_500)).await;
        stop.cancel();
    };
    let ((tally, looked), ()) = tokio::join!(run, interrupt);
    assert!(tally.stopped && (20..=40).contains(&tally.resent), "{tally:?}");
    assert_eq!(world.visible().await as usize, 100 - tally.resent);
    assert!(tally.summary("jobs", &looked).unwrap_err().to_string().contains("stopped"));
}

#[tokio::test(start_paused = true)]
async fn passing_faults_are_outlasted_and_a_receive_whose_answer_was_lost_is_told_of() {
    let world = World::standard().await;
    for number in 0..200 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    for operation in ["ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        world.plan.fail_next(operation, Moment::Before, Cause::Throttled);
        world.plan.fail_next(operation, Moment::After, Cause::Unreachable);
    }
    let (tally, looked) = world.resend(&["--rate", "1000"]).await;
    assert_eq!((tally.error, tally.resent, world.dead.all().len()), (None, 190, 10));
    assert!(looked.sentence().starts_with("looked at 190 of about 200; "), "{}", looked.sentence());
    sleep(hidden_for(200)).await;
    let (tally, _) = world.resend(&[]).await;
    assert_eq!((tally.error, tally.resent, world.dead.all().len()), (None, 10, 0));
}
