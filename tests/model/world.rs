//! A world of services in memory, the processes that live and die in it, and those who make it hard for them.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use nearline::catalog::{CatalogGuard, CatalogLocation, MemoryArtifacts, Vectors};
use nearline::clock::Clock;
use nearline::compute::Compute;
use nearline::embed::{Limits, MemoryLeases, MemoryModels};
use nearline::fault::Cause;
use nearline::fault_plan::{FaultPlan, Storm};
use nearline::intake::poller::{self, Loops};
use nearline::intake::{MemoryLambda, MemoryQueue, Outgoing, Queue, Services, Settings, lambda};
use nearline::results::{self, MemoryRecords};
use nearline::telemetry::health::Health;
use nearline_search::Kernel;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::catalogs::{Catalogs, MODELS, prefix};
use crate::end::End;
use crate::jobs::{POISON, Sent, jobs};
use crate::model::broken;
use crate::tally::Tally;

const MINUTE: u64 = 60_000;
/// Longest time until all is quiet, once nobody makes trouble any more.
const PATIENCE: Duration = Duration::from_hours(100);

struct World {
    queue: MemoryQueue,
    dead_letters: MemoryQueue,
    records: MemoryRecords,
    models: MemoryModels,
    leases: MemoryLeases,
    artifacts: MemoryArtifacts,
    lambda: MemoryLambda,
    settings: Settings,
    plan: FaultPlan,
    clock: Clock,
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy)]
enum Ended {
    ByItself,
    Killed,
}

#[derive(Debug, Clone, Copy)]
enum Intake {
    Poller,
    Lambda,
}

impl World {
    fn new(rng: &mut Rng) -> Self {
        // The services' clock shows a whole second, as theirs do.
        let clock = Clock::simulated(OffsetDateTime::from_unix_timestamp(1_795_435_200).unwrap());
        let plan = FaultPlan::seeded(rng.u64(..), 0.3 * rng.f64().powi(2));
        let fifo = if rng.u8(..8) == 0 { ".fifo" } else { "" };
        let visibility = Duration::from_secs(rng.u64(5..120));
        let queue = |name: &str| MemoryQueue::new(&format!("{name}{fifo}"), visibility, plan.clone(), clock.clone());
        let jobs = queue("jobs");
        // As the mapping demands it.
        let timeout = visibility.min(Duration::from_secs(rng.u64(3..60)));
        let models = MemoryModels::new(plan.clone());
        models.refuse(POISON);
        Self {
            dead_letters: queue("dead"),
            records: MemoryRecords::new(plan.clone()),
            models,
            leases: MemoryLeases::default(),
            artifacts: MemoryArtifacts::new(plan.clone()),
            lambda: MemoryLambda::new(jobs.clone(), rng.usize(1..25), timeout, clock.clone()),
            queue: jobs,
            settings: Settings {
                catalog: CatalogLocation::S3(prefix()),
                catalog_refresh: (rng.u8(..4) > 0).then(|| Duration::from_secs(rng.u64(10..300))),
                guard: CatalogGuard::default(),
                results: results::Settings { ttl: Duration::from_secs(if rng.u8(..8) == 0 { 600 } else { 1 << 30 }) },
                embedding: Limits {
                    max_concurrency: rng.usize(1..5),
                    requests_per_minute: (rng.u8(..4) == 0).then(|| rng.u32(20..2_000)),
                    fleet_requests_per_minute: (rng.u8(..4) == 0).then(|| rng.u32(20..2_000)),
                },
                max_attempts: [1, 2, 3, 5, 20][rng.usize(..5)],
                kernel: Kernel::fastest(),
                function_memory: None,
                vectors: Vectors::Memory,
            },
            plan,
            clock,
        }
    }

    fn services(&self, plan: &FaultPlan) -> Services<MemoryQueue, MemoryRecords, MemoryModels, MemoryArtifacts> {
        Services {
            queue: self.queue.seen_by(plan.clone()),
            dead_letters: Some(self.dead_letters.seen_by(plan.clone())),
            records: self.records.seen_by(plan.clone()),
            models: self.models.seen_by(plan.clone()),
            leases: Arc::new(self.leases.seen_by(plan.clone())),
            artifacts: self.artifacts.seen_by(plan.clone()),
            compute: Compute::Inline,
            clock: self.clock.clone(),
        }
    }

    /// One process from its start to its end: by a kill at some call, by `stop`, or because it could not start.
    async fn live(&self, intake: Intake, last_call: Option<(u64, bool)>, stop: &CancellationToken) -> Ended {
        let (plan, killed) = self.plan.of_process(last_call);
        let (services, settings, stop) = (self.services(&plan), self.settings.clone(), stop.child_token());
        // Whatever it leaves behind has no effect any more, and need not go on.
        let _ends = (killed.clone().drop_guard(), stop.clone().drop_guard());
        let process = async {
            let _ = match intake {
                Intake::Poller => poller::run(services, settings, Loops::of(2), stop.clone(), Health::default()).await,
                Intake::Lambda => {
                    let lambda = self.lambda.seen_by(plan.clone());
                    lambda::run(services, settings, lambda, 3, stop.clone()).await
                }
            };
        };
        match killed.run_until_cancelled(process).await {
            Some(()) => Ended::ByItself,
            None => Ended::Killed,
        }
    }

    /// Processes come and go until `over`.
    async fn processes(&self, intake: Intake, mut rng: Rng, over: &CancellationToken, tally: &RefCell<Tally>) {
        while !over.is_cancelled() {
            let stop = over.child_token();
            let longest = Duration::from_millis(rng.u64(1..20 * MINUTE));
            let last_call = (1..1 << rng.u32(1..10), rng.bool());
            let last_call = (rng.u8(..3) > 0).then(|| (rng.u64(last_call.0), last_call.1));
            let told_to_stop = rng.bool();
            let ending = async {
                sleep(longest).await;
                if told_to_stop {
                    stop.cancel();
                    sleep(Duration::from_mins(20)).await;
                }
            };
            let ended = tokio::select! {
                biased;
                ended = self.live(intake, last_call, &stop) => ended,
                () = ending => Ended::Killed, // where it stands
            };
            if let Ended::Killed = ended {
                tally.borrow_mut().kills += 1;
            }
            tally.borrow_mut().starts += 1;
            over.run_until_cancelled(sleep(Duration::from_millis(rng.u64(1..30_000)))).await;
        }
    }

    async fn producer(&self, mut rng: Rng, sent: &[Sent]) {
        for job in sent {
            sleep(Duration::from_millis(rng.u64(..20_000) * u64::from(rng.u8(..3) == 0))).await;
            if job.direct {
                self.lambda.invoke(&job.body);
                continue;
            }
            let group = self.queue.is_fifo().then(|| format!("g{}", rng.u8(..3)));
            let number = rng.u64(..).to_string();
            let deduplication_id = self.queue.is_fifo().then_some(number);
            self.queue.push(Outgoing { body: job.body.clone(), attributes: Vec::new(), group, deduplication_id });
        }
    }

    async fn troublemaker(&self, mut rng: Rng, catalogs: &mut Catalogs, model: &str, swaps: &mut u64) {
        const OPERATIONS: [&str; 9] = [
            "ReceiveMessage",
            "DeleteMessageBatch",
            "ChangeMessageVisibilityBatch",
            "SendMessageBatch",
            "BatchGetItem",
            "PutItem",
            "InvokeModel",
            "GetObject",
            "Answer",
        ];
        const CAUSES: [Cause; 6] = [
            Cause::Throttled,
            Cause::Unreachable,
            Cause::InvalidAnswer,
            Cause::AccessDenied,
            Cause::NotFound,
            Cause::Misconfigured,
        ];
        for _ in 0..rng.u8(..8) {
            sleep(Duration::from_millis(rng.u64(1..4 * MINUTE))).await;
            match rng.u8(..8) {
                0 | 1 => {
                    catalogs.publish(&self.artifacts, &mut rng, model).await;
                    *swaps += 1;
                }
                2 => {
                    Catalogs::damage(&self.artifacts, &mut rng);
                    sleep(Duration::from_millis(rng.u64(1..10 * MINUTE))).await;
                    catalogs.publish(&self.artifacts, &mut rng, model).await;
                    *swaps += 1;
                }
                3 | 4 => {
                    let any = MODELS[rng.usize(..MODELS.len())];
                    catalogs.try_out(&self.artifacts, &mut rng, any).await;
                }
                5 => self.clock.step(time::Duration::seconds(i64::from(rng.i16(-4_000..4_000)))),
                _ => self.plan.storm(Storm {
                    operation: (rng.u8(..8) > 0).then(|| OPERATIONS[rng.usize(..OPERATIONS.len())]),
                    rate: 0.3 + 0.7 * rng.f64(),
                    cause: CAUSES[rng.usize(..CAUSES.len())],
                    until: Instant::now() + Duration::from_millis(rng.u64(1..15 * MINUTE)),
                }),
            }
        }
    }

    /// Until nothing is left to do; processes are still killed now and then, as the seed has it.
    async fn quiet(&self, intakes: &[Intake]) {
        let stop = CancellationToken::new();
        let process = |&intake| {
            let stop = &stop;
            async move {
                while !stop.is_cancelled() {
                    self.live(intake, None, stop).await;
                    sleep(Duration::from_secs(1)).await;
                }
            }
        };
        let watch = async {
            let drained = async {
                while !self.queue.all().is_empty() {
                    sleep(Duration::from_secs(5)).await;
                }
            };
            let _ = timeout(PATIENCE, drained).await;
            stop.cancel();
        };
        tokio::join!(join_all(intakes.iter().map(process)), watch);
        sleep(Duration::from_mins(1)).await; // for effects that come late
    }
}

/// Runs the world of a seed.
pub(crate) async fn run(seed: u64) -> Tally {
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let world = World::new(&mut rng);
    let model = MODELS[rng.usize(..MODELS.len())];
    let began = Instant::now();
    let mut catalogs = Catalogs::default();
    catalogs.publish(&world.artifacts, &mut rng, model).await;
    let intakes: &[Intake] = match rng.u8(..8) {
        0..3 => &[Intake::Poller],
        3..6 => &[Intake::Lambda],
        6 => &[Intake::Lambda, Intake::Lambda],
        _ => &[Intake::Poller, Intake::Lambda],
    };
    let count = rng.usize(1..40);
    let mut sent = jobs(&mut rng, count, 256);
    if matches!(intakes[0], Intake::Lambda) {
        for job in &mut sent {
            job.direct = rng.u8(..12) == 0;
        }
    }
    let tally = RefCell::new(Tally::default());
    let over = CancellationToken::new();
    let mut swaps = 0;
    let processes =
        intakes.iter().map(|&intake| world.processes(intake, rng.fork(), &over, &tally)).collect::<Vec<_>>();
    let trouble = async {
        let troublemaker = world.troublemaker(rng.fork(), &mut catalogs, model, &mut swaps);
        tokio::join!(world.producer(rng.fork(), &sent), troublemaker);
        over.cancel();
    };
    tokio::join!(join_all(processes), trouble);
    world.plan.clear();
    world.plan.set_rate(0.02);
    world.quiet(intakes).await;
    let mut tally = tally.into_inner();
    let code = |letter: &Outgoing| letter.attribute("nearline_error_code").map(str::to_owned);
    let letters: Vec<(String, String)> = world
        .dead_letters
        .all()
        .into_iter()
        .map(|letter| (code(&letter).unwrap_or_default(), letter.body))
        .map(|(code, body)| (body, code))
        .collect();
    for (_, code) in &letters {
        *tally.letters.entry(code.clone()).or_default() += 1;
    }
    let end = End {
        sent: &sent,
        catalogs: &catalogs,
        left: world.queue.all().len(),
        records_expire: world.settings.results.ttl < PATIENCE,
        writes: world.records.writes(),
        letters,
        uploads: world.records.all_results(),
        answers: world.lambda.answers().into_iter().filter_map(|(job, answer)| Some((job, answer.ok()?))).collect(),
    };
    let (calls, digest) = world.plan.calls();
    Tally {
        messages: sent.len() as u64,
        records: end.writes.len() as u64,
        faults: world.plan.faults(),
        swaps,
        calls,
        digest,
        hours: began.elapsed().as_secs_f64() / 3_600.0,
        broken: broken(&end),
        ..tally
    }
}
