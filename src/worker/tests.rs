//! The worker with records and models in memory.

mod updates;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, StringArray, UInt64Array};
use nearline_contract::{Attribute, ErrorCode, Group, Match, SearchJob, receive};
use nearline_search::Kernel;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::*;
use crate::catalog::{Catalog, CatalogGuard, Rows, attributes};
use crate::clock::Clock;
use crate::compute::{Compute, Priority};
use crate::embed::{Embedders, Limits, MemoryModels};
use crate::telemetry::stages::Stages;
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
        ..Rows::default()
    }
}

fn catalog(count: usize, dimension: usize) -> Catalog {
    Catalog::new(rows(count, dimension), "v".into(), None, Kernel::fastest()).unwrap()
}

fn engines(compute: Compute) -> Engines<MemoryModels> {
    let limits = Limits { max_concurrency: 4, ..Limits::default() };
    let embedders = Embedders::new(MemoryModels::default(), limits);
    Engines::new(embedders, compute, CatalogGuard::default(), Clock::system())
}

fn job(fields: &str) -> SearchJob {
    receive(&format!(r#"{{"request_id":"r",{fields}}}"#)).unwrap().job.unwrap()
}

#[tokio::test]
async fn an_answer_keeps_room_for_the_matches_that_it_has_and_no_more() {
    let engine = engines(Compute::Inline).start(catalog(3_000, 8)).unwrap();
    let selective = job(r#""product_id":"0","top_k":1000,"min_score":0.9"#);
    let answer = engine.answer(&selective, &UnderWay::default(), &mut Stages::default()).await.unwrap();
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
        engine.answer(&search, &UnderWay::default(), &mut Stages::default()).await.unwrap();
        longest = longest.max(started.elapsed());
        answers += 1;
    }
    let (built, took) = indexing.await.unwrap();
    assert_eq!(built.unwrap(), 20_000);
    assert!(longest < took / 4, "the longest of {answers} answers took {longest:?}, indexing {took:?}");
}

/// Whether a row passes.
type Passes = fn(usize) -> bool;

/// A catalog whose products have a price, which is their row modulo 100, and all but every tenth a brand.
fn catalog_with_attributes(count: usize) -> Catalog {
    let price: ArrayRef = Arc::new(UInt64Array::from_iter_values((0..count as u64).map(|row| row % 100)));
    let brand = (0..count).map(|row| (row % 10 > 0).then(|| format!("brand {}", row % 3)));
    let brand: ArrayRef = Arc::new(brand.collect::<StringArray>());
    let rows = Rows { attributes: attributes(&[("price", price), ("brand", brand)]), ..rows(count, 16) };
    Catalog::new(rows, "v".into(), None, Kernel::fastest()).unwrap()
}

#[tokio::test]
async fn the_answer_to_a_filter_is_that_of_a_search_among_the_products_that_pass() {
    let engine = engines(Compute::Inline).start(catalog_with_attributes(900)).unwrap();
    let answer = async |fields: &str| {
        engine.answer(&job(fields), &UnderWay::default(), &mut Stages::default()).await.unwrap().results
    };
    let row = |found: &Match| found.product_id.parse::<usize>().unwrap();
    let passes: [(&str, Passes); 5] = [
        (r#"{"price":{"$lt":50}}"#, |row| row % 100 < 50),
        (r#"{"price":7}"#, |row| row % 100 == 7),
        (r#"{"brand":{"$ne":"brand 1"}}"#, |row| row % 10 == 0 || row % 3 != 1),
        (r#"{"$or":[{"brand":{"$exists":false}},{"price":{"$gte":98}}]}"#, |row| row % 10 == 0 || row % 100 >= 98),
        (r#"{"brand":"no such brand"}"#, |_| false),
    ];
    for (filter, passes) in passes {
        for group_by in ["category", "none"] {
            let asked = format!(r#""product_id":"13","group_by":"{group_by}""#);
            let mut expected = answer(&format!(r#"{asked},"top_k":1000"#)).await;
            for group in &mut expected {
                group.matches.retain(|found| passes(row(found)));
                group.matches.truncate(4);
            }
            let filtered = answer(&format!(r#"{asked},"top_k":4,"filter":{filter},"return":["price","brand"]"#)).await;
            let plain: Vec<Group> = filtered
                .iter()
                .map(|group| Group {
                    matches: group
                        .matches
                        .iter()
                        .cloned()
                        .map(|found| Match { attributes: [].into(), ..found })
                        .collect(),
                    ..group.clone()
                })
                .collect();
            assert_eq!(plain, expected, "{filter}");
            for found in filtered.iter().flat_map(|group| &group.matches) {
                let row = row(found);
                assert_eq!(found.attributes.get("price"), Some(&Attribute::Number((row % 100).into())));
                let brand = (row % 10 > 0).then(|| Attribute::Text(format!("brand {}", row % 3)));
                assert_eq!(found.attributes.get("brand"), brand.as_ref());
            }
        }
    }
}

#[tokio::test]
async fn attributes_that_the_catalog_does_not_have_and_values_that_they_cannot_have_are_refused() {
    let engine = engines(Compute::Inline).start(catalog_with_attributes(300)).unwrap();
    let refused = async |fields: &str| {
        let job = job(&format!(r#""product_id":"13",{fields}"#));
        match engine.answer(&job, &UnderWay::default(), &mut Stages::default()).await {
            Err(NoAnswer::Rejected(error)) => (error.code, error.message),
            other => panic!("{other:?}"),
        }
    };
    let unknown = "the catalog has no attribute `prise`, did you mean `price`?";
    let code = ErrorCode::UnknownAttribute;
    assert!(code.retryable() && !ErrorCode::InvalidFilter.retryable());
    assert_eq!(refused(r#""filter":{"prise":{"$lt":5}}"#).await, (code, format!("filter.prise.$lt: {unknown}")));
    assert_eq!(refused(r#""return":["title","prise"]"#).await, (code, format!("return: {unknown}")));
    let (code, message) = refused(r#""filter":{"price":"cheap"}"#).await;
    assert_eq!(code, ErrorCode::InvalidFilter);
    assert!(message.starts_with("filter.price: must be a number"), "{message}");
    // Other faults of a job come in the order of the contract.
    assert_eq!(refused(r#""categories":["x"],"filter":{"prise":1}"#).await.0, ErrorCode::UnknownCategory);
}

#[tokio::test]
async fn a_filter_is_evaluated_once_for_all_who_ask_for_it() {
    let catalog = Arc::new(catalog_with_attributes(300));
    let sets = RowSets::new(Arc::clone(&catalog), Compute::Inline);
    let job = |price: u32| job(&format!(r#""product_id":"13","filter":{{"price":{price}}}"#));
    let set = async |job: &SearchJob| {
        let (plan, _) = Plan::new(&catalog, job, OffsetDateTime::UNIX_EPOCH).unwrap();
        sets.get(job.filter.as_ref().unwrap(), plan.filter().unwrap()).await.unwrap()
    };
    let (seven, eight) = (job(7), job(8));
    let (one, same, other) = tokio::join!(set(&seven), set(&seven), set(&eight));
    assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    assert_eq!(one.rows(), 3);
}
