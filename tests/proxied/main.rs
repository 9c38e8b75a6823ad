//! Real processes through a proxy that makes calls go wrong by a seed, killed at random: the promise of
//! `tests/model/`, judged by the same model.
//!
//! `NEARLINE_SEEDS=7` runs one seed, `NEARLINE_SEEDS=0..300` many. A seed gives the same faults only to the same order of
//! calls, which the processes' threads do not keep: a failing one is likely to fail again, and not sure to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogs;
#[path = "../model/end.rs"]
mod end;
#[path = "../model/jobs.rs"]
mod jobs;
#[path = "../model/model.rs"]
mod model;
#[path = "../end_to_end/oracle.rs"]
mod oracle;
mod run;
#[path = "../model/seeds.rs"]
mod seeds;
#[path = "../end_to_end/world.rs"]
#[allow(dead_code, reason = "the end-to-end tests use more of it")]
mod world;

use std::collections::BTreeMap;
use std::ops::Range;

use futures_util::{StreamExt, stream};

const SEEDS: Range<u64> = 0..20;
/// Each has an emulator and a worker, which mostly wait.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_network_does_every_job_ends_once_and_right() {
    let seeds = seeds::seeds(SEEDS);
    let (mut sums, mut faults, mut broken) =
        (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new(), Vec::new());
    let mut runs =
        stream::iter(seeds.clone()).map(|seed| async move { (seed, run::run(seed).await) }).buffer_unordered(AT_ONCE);
    while let Some((seed, tally)) = runs.next().await {
        for fault in &tally.broken {
            eprintln!("seed {seed}: {fault}");
            broken.push(seed);
        }
        for (name, count) in tally.counts {
            *sums.entry(name.to_owned()).or_default() += count;
        }
        for (kind, count) in tally.faults {
            *faults.entry(kind.to_string()).or_default() += count;
        }
    }
    println!("{} seeds: {sums:?}\n  faults: {faults:?}", seeds.end - seeds.start);
    assert!(broken.is_empty(), "seeds that break the promise: {broken:?}");
}
