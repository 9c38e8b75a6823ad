//! The worker with records and models in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearline_contract::{SearchJob, receive};
use nearline_search::Kernel;
use tokio::sync::oneshot;

use super::*;
use crate::catalog::{Catalog, CatalogGuard, Rows};
use crate::clock::Clock;
use crate::compute::{Compute, Priority};
use crate::embed::{Limits, MemoryModels};
use crate::under_way::UnderWay;

const MATCHES_MAX: usize = 500_000;

fn rows(count: usize, dimension: usize) -> Rows {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    Rows {
        product_ids: (0..count).map(|row| row.to_string()).collect(),
        categories: (0..count).map(|row| (row % 7).to_string()).collect(),
        titles: vec![None; count],
        vectors: (0..count * dimension).map(|_| next()).collect(),
        dimension,
    }
}

fn catalog(count: usize, dimension: usize) -> Catalog {
    Catalog::new(rows(count, dimension), "v".into(), None, Kernel::fastest()).unwrap()
}

fn engines(compute: Compute) -> Engines<MemoryModels> {
    let limits = Limits { max_concurrency: 4, requests_per_minute: None };
    Engines::new(MemoryModels::default(), limits, compute, CatalogGuard::default(), Clock::system())
}

fn job(fields: &str) -> SearchJob {
    receive(&format!(r#"{{"request_id":"r",{fields}}}"#)).unwrap().job.unwrap()
}

#[tokio::test]
async fn an_answer_keeps_room_for_the_matches_that_it_has_and_no_more() {
    let engine = engines(Compute::Inline).start(catalog(3_000, 8)).unwrap();
    let selective = job(r#""product_id":"0","top_k":1000,"min_score":0.9"#);
    let answer = engine.answer(&selective, &UnderWay::default()).await.unwrap();
    let found: usize = answer.results.iter().map(|group| group.matches.len()).sum();
    assert!(found < 1_000, "{found}");
    assert_eq!(engine.matches_left(), MATCHES_MAX - found);
    drop(answer);
    assert_eq!(engine.matches_left(), MATCHES_MAX);
}

/// With one thread for scans, jobs are answered while another catalog is indexed: the longest answer is a small part of
/// the time that indexing takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_do_not_wait_while_a_new_catalog_is_indexed() {
    let compute = Compute::threads(Some(1)).unwrap();
    let engine = Arc::new(engines(compute.clone()).start(catalog(2_000, 64)).unwrap());
    let (done, mut indexed) = oneshot::channel();
    let indexing = tokio::spawn(async move {
        let started = Instant::now();
        let built = compute.run_long(Priority::Background, || catalog(20_000, 128).rows()).await;
        done.send(()).unwrap();
        (built, started.elapsed())
    });
    let search = job(r#""product_id":"0""#);
    let (mut longest, mut answers) = (Duration::ZERO, 0);
    while indexed.try_recv().is_err() {
        let started = Instant::now();
        engine.answer(&search, &UnderWay::default()).await.unwrap();
        longest = longest.max(started.elapsed());
        answers += 1;
    }
    let (built, took) = indexing.await.unwrap();
    assert_eq!(built.unwrap(), 20_000);
    assert!(longest < took / 4, "the longest of {answers} answers took {longest:?}, indexing {took:?}");
}
