//! The whole worker, from a queue to records, with the services in memory on a paused clock.

mod candidate;
mod catalog;
mod health;
mod start;
mod visibility;

use std::sync::Arc;
use std::time::Duration;

use nearline_contract::{ErrorCode, ResultRecord, Status};
use nearline_search::Kernel;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::MemoryQueue;
use super::letter::CODE_ATTRIBUTE;
use super::poller::{self, Loops};
use super::queue::{Outgoing, Queue};
use super::start::{Services, Settings};
use crate::catalog::{
    CatalogGuard, CatalogLocation, CatalogStore, Indexing, MemoryArtifacts, Rows, S3Prefix, Vectors, artifact,
};
use crate::clock::Clock;
use crate::compute::Compute;
use crate::embed::{Limits, MemoryLeases, MemoryModels};
use crate::fault::Cause;
use crate::fault_plan::{FaultPlan, Moment};
use crate::results::{self, MemoryRecords};
use crate::telemetry::health::Health;

const MODEL: &str = "amazon.nova-2-multimodal-embeddings-v1:0";
const DIMENSION: usize = 256;
const HOUR: Duration = Duration::from_hours(1);

/// One world of services. Its processes come and go.
struct World {
    queue: MemoryQueue,
    dead_letters: MemoryQueue,
    records: MemoryRecords,
    models: MemoryModels,
    artifacts: MemoryArtifacts,
    plan: FaultPlan,
    clock: Clock,
    settings: Settings,
}

fn prefix() -> S3Prefix {
    "s3://bucket/shop".parse().unwrap()
}

fn rows(products: usize) -> Rows {
    let ids = || (0..products).map(|number| format!("p{number}"));
    Rows {
        product_ids: ids().collect(),
        categories: ids().map(|_| "all".to_owned()).collect(),
        titles: vec![None; products],
        vectors: ids().flat_map(|id| MemoryModels::vector(&id, DIMENSION)).collect(),
        dimension: DIMENSION,
        ..Rows::default()
    }
}

impl World {
    async fn new() -> Self {
        let plan = FaultPlan::default();
        let clock = Clock::simulated(OffsetDateTime::from_unix_timestamp(1_795_435_200).unwrap());
        let visibility = Duration::from_secs(30);
        let queue = |name: &str| MemoryQueue::new(name, visibility, plan.clone(), clock.clone());
        let world = Self {
            queue: queue("jobs"),
            dead_letters: queue("dead"),
            records: MemoryRecords::new(plan.clone()),
            models: MemoryModels::new(plan.clone()),
            artifacts: MemoryArtifacts::new(plan.clone()),
            settings: Settings {
                catalog: CatalogLocation::S3(prefix()),
                catalog_refresh: Some(Duration::from_mins(1)),
                guard: CatalogGuard::default(),
                results: results::Settings { ttl: 10_000 * HOUR },
                embedding: Limits { max_concurrency: 4, ..Limits::default() },
                max_attempts: 3,
                kernel: Kernel::fastest(),
                function_memory: None,
                vectors: Vectors::Memory,
            },
            plan,
            clock,
        };
        world.publish(20).await;
        world
    }

    /// Why dead letters are dead.
    fn codes(&self) -> Vec<String> {
        let letters = self.dead_letters.all();
        letters.iter().filter_map(|letter| letter.attribute(CODE_ATTRIBUTE)).map(str::to_owned).collect()
    }

    /// Publishes a catalog of so many products; its version.
    async fn publish(&self, products: usize) -> String {
        self.publish_bytes(artifact::write(Vec::new(), &rows(products), MODEL).unwrap()).await
    }

    async fn publish_bytes(&self, bytes: Vec<u8>) -> String {
        let store = CatalogStore::new(self.artifacts.clone(), Indexing::default());
        loop {
            let artifact = artifact::Loaded::new(bytes.clone().into()).unwrap();
            if let Ok(pointer) = store.publish(artifact, &prefix(), None).await {
                return pointer.version;
            }
        }
    }

    fn services<Q: Queue>(
        &self,
        queue: Q,
        dead_letters: Q,
    ) -> Services<Q, MemoryRecords, MemoryModels, MemoryArtifacts> {
        Services {
            queue,
            dead_letters: Some(dead_letters),
            records: self.records.clone(),
            models: self.models.clone(),
            leases: Arc::new(MemoryLeases::default()),
            artifacts: self.artifacts.clone(),
            compute: Compute::Inline,
            clock: self.clock.clone(),
        }
    }

    /// Waits until there are so many records, and no message.
    async fn settled(&self, records: usize) {
        while self.records.all().len() < records || !self.queue.all().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn send(&self, body: &str) {
        self.queue.push(Outgoing { body: body.to_owned(), ..Outgoing::default() });
    }

    fn send_query(&self, id: &str, query: &str) {
        self.send(&format!(r#"{{"request_id":"{id}","query":"{query}"}}"#));
    }

    /// Runs a process until the queue is empty, or for so long.
    async fn run(&self, longest: Duration) {
        self.run_with(self.services(self.queue.clone(), self.dead_letters.clone()), longest).await;
    }

    async fn run_with(
        &self,
        services: Services<MemoryQueue, MemoryRecords, MemoryModels, MemoryArtifacts>,
        longest: Duration,
    ) {
        let stop = CancellationToken::new();
        let process = poller::run(services, self.settings.clone(), Loops::of(2), stop.clone(), Health::default());
        let watch = async {
            let drained = async {
                while !self.queue.all().is_empty() {
                    sleep(Duration::from_millis(100)).await;
                }
            };
            let _ = timeout(longest, drained).await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(process, watch);
        ended.unwrap();
    }

    fn record(&self, id: &str) -> ResultRecord {
        self.records.all().remove(id).unwrap_or_else(|| panic!("no record for {id}"))
    }
}

#[tokio::test(start_paused = true)]
async fn every_job_ends_as_a_record_or_a_dead_letter() {
    let world = World::new().await;
    for number in 0..50 {
        world.send_query(&format!("r{number}"), &format!("mug {number}"));
    }
    world.send_query("r0", "another job");
    world.send("nonsense");
    world.run(HOUR).await;
    assert_eq!((world.records.all().len(), world.queue.all().len()), (50, 0));
    assert!(world.records.all().values().all(|record| record.status == Status::Succeeded));
    let reasons = world.codes();
    assert_eq!(reasons, ["request_id_conflict", "invalid_json"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_text_is_answered_and_holds_nobody_up() {
    let world = World::new().await;
    world.models.refuse("POISON");
    world.send_query("bad", "POISON");
    for number in 0..40 {
        world.send_query(&format!("r{number}"), &format!("mug {number}"));
    }
    world.send_query("bad-2", "more POISON");
    let started = Instant::now();
    world.run(HOUR).await;
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    for id in ["bad", "bad-2"] {
        let error = world.record(id).error.unwrap();
        assert!(error.code == ErrorCode::TextRefused && !error.retryable, "{error:?}");
    }
    assert_eq!(world.records.all().len(), 42);
    assert!(world.dead_letters.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_table_refuses_is_given_up_alone() {
    let mut world = World::new().await;
    world.settings.max_attempts = 2;
    world.send_query("r", "mug");
    world.plan.fail_next("PutItem", Moment::Before, Cause::Refused);
    world.plan.fail_next("PutItem", Moment::Before, Cause::Refused);
    let started = Instant::now();
    world.run(HOUR).await;
    assert_eq!(world.dead_letters.all()[0].attribute(CODE_ATTRIBUTE), Some("attempts_exhausted"));
    assert!(started.elapsed() < Duration::from_mins(1), "receiving went on: {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_record_was_written_is_not_given_up_although_every_answer_was_lost() {
    let mut world = World::new().await;
    world.settings.max_attempts = 1;
    world.send_query("r", "mug");
    world.plan.fail_next("PutItem", Moment::After, Cause::TimedOut);
    world.run(HOUR).await;
    assert_eq!((world.records.all().len(), world.dead_letters.all().len()), (1, 0));

    // Nor when it cannot be told whether there is one: the look-up before the work and that before giving up fail.
    world.settings.max_attempts = 2;
    world.send_query("s", "mug");
    world.plan.fail_next("PutItem", Moment::After, Cause::TimedOut);
    let look_ups_fail = async {
        while world.records.all().len() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
        for _ in 0..3 {
            world.plan.fail_next("BatchGetItem", Moment::Before, Cause::Unreachable);
        }
    };
    tokio::join!(world.run(HOUR), look_ups_fail);
    assert_eq!((world.queue.all().len(), world.dead_letters.all().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_dead_lettered_is_not_answered_when_its_message_comes_back() {
    let mut world = World::new().await;
    world.settings.max_attempts = 1;
    world.send_query("r", "mug");
    for _ in 0..3 {
        world.plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
    }
    // As if the process had died between the two calls: what comes next would succeed.
    world.plan.fail_next("DeleteMessageBatch", Moment::Before, Cause::Unreachable);
    world.run(HOUR).await;
    let codes = world.codes();
    assert_eq!((world.records.all().len(), world.queue.all().len()), (0, 0));
    assert_eq!(codes, ["attempts_exhausted", "attempts_exhausted"], "twice rather than in both");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_others_may_be_at_work_on_is_given_up_only_when_they_must_be_done() {
    let mut world = World::new().await;
    world.settings.max_attempts = 1;
    world.send_query("r", "mug");
    let elsewhere = world.queue.receive(1, Duration::ZERO, Duration::from_secs(1)).await.unwrap();
    assert_eq!(elsewhere.len(), 1);
    for _ in 0..3 {
        world.plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
    }
    let started = Instant::now();
    world.run(HOUR).await;
    assert_eq!(world.dead_letters.all().len(), 1);
    assert!(started.elapsed() > Duration::from_mins(15), "{:?}", started.elapsed());
    assert!(world.records.all().is_empty() && world.models.calls() == 3, "it was not tried again");
}

#[tokio::test(start_paused = true)]
async fn without_a_dead_letter_queue_a_job_is_never_given_up() {
    let mut world = World::new().await;
    world.settings.max_attempts = 1;
    world.send_query("r", "mug");
    for _ in 0..6 {
        world.plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
    }
    let services = world.services(world.queue.clone(), world.dead_letters.clone());
    world.run_with(Services { dead_letters: None, ..services }, HOUR).await;
    assert_eq!((world.records.all().len(), world.queue.all().len()), (1, 0), "answered at the third delivery");
}

#[tokio::test(start_paused = true)]
async fn a_new_process_gives_nothing_up_that_waited_for_an_operator() {
    let world = World::new().await;
    for _ in 0..2_000 {
        world.plan.fail_next("InvokeModel", Moment::Before, Cause::AccessDenied);
    }
    for number in 0..5 {
        world.send_query(&format!("r{number}"), &format!("mug {number}"));
    }
    world.run(4 * HOUR).await;
    assert_eq!(world.queue.all().len(), 5, "permanent faults never give a job up");
    // It was fixed; another process starts, and its first calls are throttled: three attempts of each text.
    world.plan.clear();
    for _ in 0..15 {
        world.plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
    }
    world.run(4 * HOUR).await;
    assert_eq!((world.records.all().len(), world.dead_letters.all().len()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn what_only_waited_for_its_turn_is_never_given_up() {
    let mut world = World::new().await;
    world.settings.max_attempts = 2;
    // Twenty texts in batches of ten: in the five minutes of a batch hardly any has its turn.
    world.settings.embedding = Limits { requests_per_minute: Some(1), ..Limits::default() };
    for number in 0..20 {
        world.send_query(&format!("r{number}"), &format!("mug {number}"));
    }
    world.run(48 * HOUR).await;
    assert_eq!((world.records.all().len(), world.dead_letters.all().len()), (20, 0));
}
