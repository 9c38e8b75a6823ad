//! The whole worker in worlds that go wrong by a seed: whatever fails, nothing is lost, wrong, overwritten or doubled.
//!
//! Both intakes run against the services in memory, on a paused clock and in one thread, so that a seed is a world that
//! happens again the same. `NEARLINE_SEEDS=7` or `NEARLINE_SEEDS=0..100000` runs others than the usual ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogs;
mod end;
mod jobs;
mod model;
mod seeds;
mod tally;
mod world;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tally::Tally;

const SEEDS: Range<u64> = 0..2_000;

fn run(seed: u64) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(world::run(seed))
}

#[test]
fn whatever_fails_every_job_ends_once_and_right() {
    let seeds = seeds::seeds(SEEDS);
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new((Tally::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let tally = run(seed);
                    let (sum, broken) = &mut *total.lock().unwrap();
                    for fault in &tally.broken {
                        eprintln!("seed {seed}: {fault}");
                        broken.push(seed);
                    }
                    sum.add(tally);
                }
            });
        }
    });
    let (sum, mut broken) = total.into_inner().unwrap();
    println!("{} seeds: {sum}", seeds.end - seeds.start);
    broken.dedup();
    assert!(broken.is_empty(), "seeds that break the promise (NEARLINE_SEEDS=N runs one): {broken:?}");
}

#[test]
fn a_seed_is_a_world_that_happens_again_the_same() {
    for seed in 0..20 {
        let [first, again] = [run(seed), run(seed)];
        assert_eq!((first.calls, first.digest, first.records), (again.calls, again.digest, again.records), "{seed}");
    }
}
