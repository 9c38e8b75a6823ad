//! Walks through queues in memory, on a paused clock.

mod new_chance;
mod resent;

use std::time::Duration;

use clap::Parser;
use time::OffsetDateTime;
use tokio::time::{advance, sleep};
use tokio_util::sync::CancellationToken;

use super::drop::{self, drop_letters};
use super::list;
use super::looked::hidden_for;
use super::resend::{self, resend};
use super::wait::whereabouts;
use super::walk::Walk;
use crate::clock::Clock;
use crate::fault::Cause;
use crate::fault_plan::{FaultPlan, Moment};
use crate::intake::{Attribute, CODE_ATTRIBUTE, Inspect, MemoryQueue, Outgoing, Queue, REASON_ATTRIBUTE, Redrive};

const HOUR: Duration = Duration::from_hours(1);

struct World {
    jobs: MemoryQueue,
    dead: MemoryQueue,
    plan: FaultPlan,
    clock: Clock,
}

impl World {
    async fn new(jobs: &str, dead: &str) -> Self {
        let plan = FaultPlan::default();
        let clock = Clock::simulated(OffsetDateTime::from_unix_timestamp(1_795_435_200).unwrap());
        advance(Duration::from_secs(1)).await;
        let queue = |name: &str| MemoryQueue::new(name, Duration::from_secs(30), plan.clone(), clock.clone());
        Self { jobs: queue(jobs), dead: queue(dead), plan, clock }
    }

    async fn standard() -> Self {
        Self::new("jobs", "dead").await
    }

    fn put(&self, body: String, code: Option<&str>, group: Option<&str>) {
        let reason = |code| vec![Attribute::text(CODE_ATTRIBUTE, code), Attribute::text(REASON_ATTRIBUTE, "because")];
        let number = self.dead.all().len();
        let is_fifo = self.dead.is_fifo();
        self.dead.push(Outgoing {
            body,
            attributes: code.map(reason).unwrap_or_default(),
            group: group.map(str::to_owned).or_else(|| is_fifo.then(|| format!("given-up-{number}"))),
            deduplication_id: is_fifo.then(|| format!("given-up-{number}")),
        });
    }

    fn letter(&self, id: &str, code: &str) {
        self.put(job(id), Some(code), None);
    }

    async fn walk(&self) -> Walk<'_, MemoryQueue> {
        self.walk_until(CancellationToken::new()).await
    }

    async fn walk_until(&self, stop: CancellationToken) -> Walk<'_, MemoryQueue> {
        // Whatever is sent from now on came in later.
        let walk = Walk::begin(&self.dead, stop, self.clock.now()).await.unwrap();
        advance(Duration::from_millis(1)).await;
        walk
    }

    async fn resend(&self, flags: &[&str]) -> (resend::Tally, super::looked::Looked) {
        resend(self.walk().await, &self.jobs, &parse(flags)).await
    }

    async fn drop(&self, flags: &[&str]) -> (drop::Tally, super::looked::Looked) {
        drop_letters(self.walk().await, &parse(flags)).await
    }

    /// Letters that anybody could receive now.
    async fn visible(&self) -> u64 {
        self.dead.state().await.unwrap().waiting
    }

    fn sent(&self) -> Vec<String> {
        let mut bodies: Vec<String> = self.jobs.all().into_iter().map(|message| message.body).collect();
        bodies.sort_unstable();
        bodies
    }
}

fn job(id: &str) -> String {
    format!(r#"{{"request_id":"{id}","query":"mug {id}"}}"#)
}

/// Arguments as the command line has them.
fn parse<T: clap::Args>(flags: &[&str]) -> T {
    try_parse(flags).unwrap()
}

fn try_parse<T: clap::Args>(flags: &[&str]) -> Result<T, clap::Error> {
    #[derive(Parser)]
    struct Line<T: clap::Args> {
        #[command(flatten)]
        args: T,
    }
    Line::try_parse_from([&["nearline"], flags].concat()).map(|line| line.args)
}

#[tokio::test(start_paused = true)]
async fn a_list_counts_by_reason_and_gives_everything_back() {
    let world = World::standard().await;
    for number in 0..250 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    world.letter("c", "request_id_conflict");
    world.put("nonsense".into(), Some("invalid_json"), None);
    world.put(job("moved"), None, None);
    let (reasons, looked, fault) = list::count(world.walk().await, &parse(&[])).await;
    let counts: Vec<(&str, usize)> = reasons.iter().map(|reason| (reason.code.as_str(), reason.count)).collect();
    let expected = [("attempts_exhausted", 250), ("invalid_json", 1), ("none", 1), ("request_id_conflict", 1)];
    assert_eq!((counts, fault), (expected.to_vec(), None));
    assert_eq!(looked.sentence(), "looked at 253 of about 253");
    assert_eq!(world.visible().await, 253, "given back at once");
    let received: Vec<u32> = {
        let letters = world.dead.look(10, Duration::ZERO, Duration::ZERO).await.unwrap();
        letters.iter().map(|letter| letter.delivery.receive_count).collect()
    };
    assert_eq!(received, [2; 10], "looked at once each before");
    let (only, ..) = list::count(world.walk().await, &parse(&["--code", "none", "--code", "invalid_json"])).await;
    assert_eq!(only.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn letters_stay_hidden_while_a_walk_takes_long_and_come_back_if_it_is_killed() {
    let world = World::standard().await;
    for number in 0..30 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    let (kept, killed) = (world.dead.clone(), world.clock.now());
    let mut walk = Walk::begin(&kept, CancellationToken::new(), killed).await.unwrap();
    assert_eq!(walk.next().await.unwrap().len(), 30);
    for _ in 0..20 {
        sleep(hidden_for(30) / 3).await;
        walk.renew().await.unwrap();
        assert_eq!(world.visible().await, 0);
    }
    std::mem::drop(walk);
    sleep(hidden_for(200)).await;
    assert_eq!(world.visible().await, 30);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_by_others_or_was_not_looked_at_is_said() {
    let world = World::standard().await;
    for number in 0..30 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    world.dead.look(10, Duration::ZERO, HOUR).await.unwrap();
    let (_, looked, _) = list::count(world.walk().await, &parse(&[])).await;
    assert_eq!(
        looked.sentence(),
        "looked at 20 of about 30; 10 were in flight: held by another reader, or by one that was killed"
    );
    let (_, looked, _) = list::count(world.walk().await, &parse(&["--limit", "10"])).await;
    assert!(looked.sentence().starts_with("looked at 20 of about 30"), "a look may bring more: {}", looked.sentence());

    let fifo = World::new("jobs", "dead.fifo").await;
    for number in 0..25 {
        fifo.put(job(&format!("a{number}")), Some("attempts_exhausted"), Some("one"));
    }
    let (_, looked, _) = list::count(fifo.walk().await, &parse(&[])).await;
    assert!(looked.sentence().contains("a FIFO queue hides the rest of a message group"), "{}", looked.sentence());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_moves_what_is_looked_at_is_warned_of() {
    let mut world = World::standard().await;
    world.dead = world.dead.with_redrive(Redrive { max_receive_count: 2, target: "arn:aws:sqs:::graveyard".into() });
    world.letter("a", "attempts_exhausted");
    let (_, looked, _) = list::count(world.walk().await, &parse(&[])).await;
    assert_eq!(looked.warnings(), Vec::<String>::new());
    let (_, looked, _) = list::count(world.walk().await, &parse(&[])).await;
    assert!(looked.warnings()[0].contains("graveyard"), "{:?}", looked.warnings());
    let said = whereabouts(Some(&world.dead), &["a"], CancellationToken::new()).await;
    assert!(said.contains("was not looked at"), "nobody asked for a look: {said}");
}

#[tokio::test(start_paused = true)]
async fn drop_deletes_what_was_named_and_nothing_else() {
    let world = World::standard().await;
    for number in 0..100 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    world.put("nonsense".into(), Some("invalid_json"), None);
    assert_eq!(world.drop(&["--code", "invalid_json"]).await.0.dropped, 1);
    assert_eq!(world.drop(&["--id", "a7", "--id", "a9"]).await.0.dropped, 2);
    assert_eq!(world.drop(&["--code", "attempts_exhausted", "--limit", "7"]).await.0.dropped, 7);
    assert_eq!((world.dead.all().len(), world.visible().await), (91, 91));
    assert_eq!(world.drop(&["--all"]).await.0.dropped, 91);
    assert_eq!(world.dead.all().len(), 0);
}

#[test]
fn what_would_delete_everything_without_being_told_is_wrong_usage() {
    for flags in [&[] as &[&str], &["--yes"], &["--limit", "3"], &["--all", "--code", "invalid_json"]] {
        assert!(try_parse::<drop::DropArgs>(flags).is_err(), "{flags:?}");
    }
    let unknown = try_parse::<drop::DropArgs>(&["--code", "invalid_jsn"]).err().unwrap().to_string();
    assert!(unknown.contains("no such code"), "{unknown}");
    for flags in [&["--all"] as &[&str], &["--code", "invalid_json", "--id", "a"], &["--code", "none", "--yes"]] {
        assert!(try_parse::<drop::DropArgs>(flags).is_ok(), "{flags:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_job_is_that_has_no_record() {
    let world = World::standard().await;
    for number in 0..30 {
        world.letter(&format!("a{number}"), "attempts_exhausted");
    }
    let stop = CancellationToken::new;
    let said = whereabouts(Some(&world.dead), &["a3", "b"], stop()).await;
    let expected = "`a3` is a dead letter: attempts_exhausted: because; no other dead letter belongs to them (looked at 30 of about 30)";
    assert_eq!(said, expected);
    assert_eq!(world.visible().await, 30);
    assert!(
        whereabouts(None::<&MemoryQueue>, &["b"], stop()).await.contains("NEARLINE_DEAD_LETTER_QUEUE_URL is not set")
    );
    world.plan.fail_next("GetQueueAttributes", Moment::Before, Cause::NotFound);
    let said = whereabouts(Some(&world.dead), &["b"], stop()).await;
    assert!(said.contains("could not be looked at"), "{said}");
}
