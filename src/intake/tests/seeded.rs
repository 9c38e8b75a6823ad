//! Services that misbehave by a seed, processes that are killed: what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use nearline_contract::receive;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::World;
use crate::fault_plan::FaultPlan;
use crate::intake::poller;

const SEEDS: u64 = 12;

/// Jobs of all kinds; some come twice, some under the id of another job.
fn jobs(rng: &mut Rng) -> Vec<String> {
    let mut jobs: Vec<String> = (0..30)
        .map(|number| match rng.u8(0..6) {
            0 => format!(r#"{{"request_id":"r{number}","product_id":"p{}"}}"#, rng.u8(0..40)),
            1 => format!(r#"{{"request_id":"r{number}","query":"mug","top_k":0}}"#),
            2 => format!(r#"{{"request_id":"r{}","query":"other {number}"}}"#, rng.usize(0..=number)),
            _ => format!(r#"{{"request_id":"r{number}","query":"mug {}"}}"#, rng.u8(0..20)),
        })
        .collect();
    for _ in 0..5 {
        jobs.push(jobs[rng.usize(..jobs.len())].clone());
    }
    jobs
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_every_job_ends_and_no_record_is_anothers() {
    for seed in 0..SEEDS {
        fastrand::seed(seed);
        let mut rng = Rng::with_seed(seed);
        let mut world = World::with_plan(FaultPlan::seeded(seed, 0.25 * rng.f64())).await;
        world.settings.max_attempts = 20;
        let mut sent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for body in jobs(&mut rng) {
            let job = receive(&body).unwrap();
            sent.entry(job.request_id).or_default().insert(job.sha256);
            world.send(&body);
        }
        for _ in 0..rng.u8(0..4) {
            // A process that is killed, at any await.
            let stop = CancellationToken::new();
            let services = world.services(world.queue.clone(), world.dead_letters.clone());
            let process = poller::run(services, world.settings.clone(), 2, stop.clone());
            let _ = timeout(Duration::from_millis(rng.u64(1..60_000)), process).await;
            stop.cancel();
        }
        let mut starts = 0;
        while !world.queue.all().is_empty() {
            starts += 1;
            assert!(starts < 50, "seed {seed}: {:?} stays", world.queue.all());
            let stop = CancellationToken::new();
            let services = world.services(world.queue.clone(), world.dead_letters.clone());
            let process = poller::run(services, world.settings.clone(), 2, stop.clone());
            let drained = async {
                while !world.queue.all().is_empty() {
                    sleep(Duration::from_secs(1)).await;
                }
                stop.cancel();
            };
            let _ = timeout(Duration::from_hours(24), async { tokio::join!(process, drained) }).await;
        }
        let records = world.records.all();
        let letters: Vec<(String, String)> = world
            .dead_letters
            .all()
            .into_iter()
            .map(|letter| (receive(&letter.body).unwrap().sha256, letter.attributes[0].1.clone()))
            .collect();
        for (id, jobs) in &sent {
            let record = records.get(id).unwrap_or_else(|| panic!("seed {seed}: no record for {id}: {letters:?}"));
            assert!(jobs.contains(&record.job_sha256), "seed {seed}: {id} has a record of another job");
            for other in jobs.iter().filter(|job| **job != record.job_sha256) {
                let reason = letters.iter().find(|(job, _)| job == other).map(|(_, reason)| reason.as_str());
                assert_eq!(reason, Some("request_id_conflict"), "seed {seed}: {id}");
            }
            let both = letters.iter().find(|(job, _)| *job == record.job_sha256);
            assert_eq!(both, None, "seed {seed}: {id} has a record and a dead letter");
        }
    }
}
