//! One seed: a world, jobs, processes that are killed, and a look at what is left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use devstack::bedrock::Fault;
use devstack::lambda::{LambdaHarness, RuntimeFault};
use devstack::proxy::{FaultKind, ProxyOptions, ProxyServer};
use devstack::stack::StackOptions;
use fastrand::Rng;
use nearline_contract::{ResultRecord, receive};
use tokio::time::sleep;

use crate::catalogs::Catalogs;
use crate::end::End;
use crate::jobs::{Form, POISON, Sent, jobs};
use crate::model::broken;
use crate::world::{DIMENSION, World};

/// How long processes are killed and calls go wrong.
const TROUBLE: Duration = Duration::from_secs(10);
/// Longest time until all is quiet after that: several back-offs.
const PATIENCE: Duration = Duration::from_mins(4);

/// What points an SDK at the proxy.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"];

/// What a seed came to.
pub(crate) struct Tally {
    pub(crate) counts: Vec<(&'static str, u64)>,
    pub(crate) faults: BTreeMap<FaultKind, u64>,
    pub(crate) broken: Vec<String>,
}

pub(crate) async fn run(seed: u64) -> Tally {
    let mut rng = Rng::with_seed(seed);
    let visibility_timeout = Duration::from_secs(rng.u64(4..12));
    let options = StackOptions { fifo: rng.u8(..8) == 0, visibility_timeout, ..StackOptions::default() };
    let fifo = options.fifo;
    let mut world = World::start_with(options).await;
    let catalogs = Catalogs::publish(&world, &mut rng).await;
    world.stack.bedrock().set_fault(Some(Fault::RefuseTexts(POISON.into())));
    let direct = ENDPOINTS.map(|name| world.env()[name].clone());
    let options = ProxyOptions::new(&direct[0], &direct[1]);
    let proxy = ProxyServer::start(ProxyOptions { seed, rate: 0.03 + 0.12 * rng.f64(), ..options }).await.unwrap();
    for name in ENDPOINTS {
        world.set(name, &proxy.endpoint());
    }
    let count = rng.usize(20..50);
    let mut sent = jobs(&mut rng, count, DIMENSION);
    // These wait for hours.
    sent.retain(|job| job.form != Form::Newer);
    let (mut kills, mut changed) = (0, Vec::new());
    let mut seen = BTreeMap::new();
    let over = Instant::now() + TROUBLE;
    let on_lambda = seed % 2 == 1;
    let processes = async {
        while Instant::now() < over {
            let life = Duration::from_millis(rng.u64(500..5_000));
            if on_lambda {
                kills += u64::from(live_on_lambda(&world, &mut rng, life, visibility_timeout).await);
            } else {
                let mut worker = world.worker();
                sleep(life).await;
                worker.kill().await.unwrap();
                kills += 1;
            }
        }
    };
    let watching = async {
        while Instant::now() < over {
            changed.extend(look(&world, &sent, &mut seen).await);
            sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::join!(processes, send(&world, &sent, fifo), watching);
    let report = proxy.stop().await;
    for (name, endpoint) in ENDPOINTS.into_iter().zip(&direct) {
        world.set(name, endpoint);
    }
    let left = drain(&world, on_lambda, visibility_timeout).await;
    changed.extend(look(&world, &sent, &mut seen).await);
    let letters = letters(&world).await;
    let count = |code: &str| letters.iter().filter(|(_, found)| found == code).count() as u64;
    let counts = vec![
        ("messages", sent.len() as u64),
        ("records", seen.len() as u64),
        ("kills", kills),
        ("given up", count("attempts_exhausted")),
        ("conflicts", count("request_id_conflict")),
        ("dead letters", letters.len() as u64),
        ("calls", report.requests),
    ];
    let end = End {
        sent: &sent,
        catalogs: &catalogs,
        left,
        records_expire: false,
        writes: seen.into_values().map(|record| (0, record)).collect(),
        letters,
        uploads: BTreeMap::new(),
        answers: Vec::new(),
    };
    changed.extend(broken(&end));
    if !changed.is_empty() {
        let folder = std::mem::replace(&mut world.folder, tempfile::tempdir().unwrap()).keep();
        eprintln!("seed {seed}: the logs are in {}", folder.display());
    }
    Tally { counts, faults: report.kinds, broken: changed }
}

/// A function whose Runtime API fails now and then; whether it was killed, and not told to stop.
async fn live_on_lambda(world: &World, rng: &mut Rng, life: Duration, timeout: Duration) -> bool {
    let mut options = world.lambda_options();
    options.function_timeout = timeout;
    // It may not have started: its first look at the catalog went wrong.
    let Ok(lambda) = LambdaHarness::start(options).await else { return false };
    let faults = lambda.runtime_faults();
    match rng.u8(..6) {
        0 => faults.fail_next(5, RuntimeFault::NextInternalError),
        1 => faults.fail_next(3, RuntimeFault::NextCut),
        2 => faults.fail_next(3, RuntimeFault::PostReset { taken: rng.bool() }),
        3 => faults.fail_next(3, RuntimeFault::PostInternalError),
        4 => faults.pause_listener(),
        _ => {}
    }
    sleep(life / 2).await;
    faults.resume_listener();
    sleep(life / 2).await;
    let killed = rng.bool();
    if killed {
        drop(lambda);
    } else {
        lambda.stop().await;
    }
    killed
}

async fn send(world: &World, sent: &[Sent], fifo: bool) {
    let sqs = world.sqs();
    for (number, job) in sent.iter().enumerate() {
        let message = sqs.send_message().queue_url(world.stack.queue_url()).message_body(&job.body);
        let message = if fifo {
            message.message_group_id(format!("g{}", number % 3)).message_deduplication_id(number.to_string())
        } else {
            message
        };
        message.send().await.unwrap();
        sleep(TROUBLE / 2 / sent.len() as u32).await;
    }
}

/// Reads all records; what has changed since they were seen first.
async fn look(world: &World, sent: &[Sent], seen: &mut BTreeMap<String, ResultRecord>) -> Vec<String> {
    let mut changed = Vec::new();
    let ids = sent.iter().filter_map(|job| Some(receive(&job.body).ok()?.request_id));
    for id in ids.collect::<std::collections::BTreeSet<_>>() {
        let Some(record) = world.results().get(&id).await.unwrap() else { continue };
        let first = seen.entry(id).or_insert_with(|| record.clone());
        if *first != record {
            changed.push(format!("overwritten: {first:?} by {record:?}"));
        }
    }
    changed
}

/// Lets a process work in peace; the messages that are left.
async fn drain(world: &World, on_lambda: bool, timeout: Duration) -> usize {
    let (mut worker, mut lambda) = (None, None);
    if on_lambda {
        let mut options = world.lambda_options();
        options.function_timeout = timeout;
        lambda = Some(LambdaHarness::start(options).await.unwrap());
    } else {
        worker = Some(world.worker());
    }
    let patience = Instant::now() + PATIENCE;
    let mut left = usize::MAX;
    while left > 0 && Instant::now() < patience {
        sleep(Duration::from_millis(500)).await;
        left = world.depth(world.stack.queue_url()).await;
    }
    if let Some(lambda) = lambda {
        lambda.stop().await;
    }
    if let Some(mut worker) = worker.take() {
        worker.kill().await.unwrap();
    }
    left
}

/// All dead letters: their bodies and codes.
async fn letters(world: &World) -> Vec<(String, String)> {
    let mut letters = Vec::new();
    while world.depth(world.stack.dead_letter_queue_url()).await > letters.len() {
        for letter in world.dead_letters(1).await {
            letters.push((letter.body, letter.code));
        }
    }
    letters
}
