//! The messages of runs of all shapes.

use std::collections::{HashMap, HashSet};

use nearline_contract::{Refusal, Target, receive};

use super::*;

fn jobs(run: &str, text: &str) -> Jobs {
    Jobs::new(run.into(), Source::from_lines(text).unwrap(), Shape::plain(0, Choice::InTurn))
}

fn shaped(change: impl FnOnce(&mut Shape)) -> Jobs {
    let mut shape = Shape::plain(7, Choice::Uniform);
    change(&mut shape);
    Jobs::new("run".into(), Source::Phrases, shape)
}

#[test]
fn lines_are_cycled_with_their_request_id_replaced_and_their_digits_kept() {
    let text = "{\"query\":\"a\",\"request_id\":\"mine\"}\n\n{ \"vector\": [1.00000005960464477540, 2] }\n";
    let jobs = jobs("run", text);
    assert_eq!(jobs.job(0), r#"{"request_id":"load-run-0","query":"a"}"#);
    assert_eq!(jobs.job(1), r#"{"request_id":"load-run-1","vector":[1.00000005960464477540, 2]}"#);
    assert_eq!(jobs.job(2), r#"{"request_id":"load-run-2","query":"a"}"#);
}

#[test]
fn the_seed_decides_all_but_the_request_ids() {
    let queries = |run: &str, seed| -> Vec<Target> {
        let jobs = Jobs::new(run.into(), Source::Phrases, Shape::plain(seed, Choice::zipf(1_000, 1.0)));
        (0..200).map(|index| receive(&jobs.job(index)).unwrap().job.unwrap().target).collect()
    };
    assert_eq!(queries("a", 7), queries("b", 7));
    assert_ne!(queries("a", 7), queries("a", 8));
}

#[test]
fn uniform_phrases_hardly_ever_repeat() {
    let jobs = shaped(|_| {});
    let distinct: HashSet<String> = (0..10_000).map(|index| jobs.job(index).split_off(20)).collect();
    assert!(distinct.len() > 9_900, "{}", distinct.len());
}

#[test]
fn kinds_come_in_the_shares_asked_for() {
    let jobs = shaped(|shape| (shape.duplicates, shape.conflicts, shape.invalid) = (0.05, 0.01, 0.02));
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for index in 0..50_000 {
        let message = jobs.planned(index);
        let name = match message.kind {
            Kind::Original => "original",
            Kind::Invalid => "invalid",
            Kind::Duplicate { .. } => "duplicate",
            Kind::Conflict { .. } => "conflict",
        };
        *counts.entry(name).or_default() += 1;
        if let Kind::Duplicate { of: first } | Kind::Conflict { with: first } = message.kind {
            assert!(first < index && first + REPEAT_WITHIN >= index);
            assert_eq!(jobs.planned(first).kind, Kind::Original);
        }
    }
    for (name, expected) in [("duplicate", 2_500), ("conflict", 500), ("invalid", 1_000)] {
        assert!(counts[name].abs_diff(expected) < expected / 5, "{counts:?}");
    }
}

#[test]
fn a_duplicate_is_the_same_bytes_and_a_conflict_is_another_job_under_the_same_id() {
    let jobs = shaped(|shape| (shape.duplicates, shape.conflicts) = (0.2, 0.2));
    let (mut duplicates, mut conflicts) = (0, 0);
    for index in 0..500 {
        let message = jobs.planned(index);
        let (first, body) = (jobs.job(message.id_index()), jobs.body(&message));
        let (original, received) = (receive(&first).unwrap(), receive(&body).unwrap());
        assert_eq!(original.request_id, received.request_id);
        match message.kind {
            Kind::Duplicate { .. } => {
                assert_eq!(first, body);
                duplicates += 1;
            }
            Kind::Conflict { with } => {
                assert_ne!(original.sha256, received.sha256);
                assert!(received.job.is_ok() && jobs.conflicts(with).any(|planned| planned == body));
                conflicts += 1;
            }
            Kind::Original | Kind::Invalid => assert_eq!(message.id_index(), index),
        }
    }
    assert!(duplicates > 50 && conflicts > 50, "{duplicates} {conflicts}");
}

#[test]
fn duplicates_are_near_and_far() {
    let jobs = shaped(|shape| shape.duplicates = 0.5);
    let distances: Vec<u64> = (20_000..30_000)
        .map(|index| jobs.planned(index))
        .filter(|message| message.id_index() != message.index)
        .map(|message| message.index - message.id_index())
        .collect();
    for (name, range) in [("same batch", 1..10_u64), ("a second", 10..1_000), ("long ago", 1_000..10_001)] {
        let count = distances.iter().filter(|distance| range.contains(*distance)).count();
        let share = count as f64 / distances.len() as f64;
        assert!(share > 0.15, "{name}: {share}");
    }
}

#[test]
fn what_repeats_a_message_that_was_never_sent_is_a_job_of_its_own() {
    let jobs = shaped(|shape| shape.duplicates = 0.9);
    let message =
        (1..100).map(|index| jobs.planned(index)).find(|message| message.id_index() != message.index).unwrap();
    assert_eq!(jobs.message(message.index, |_| true), message);
    let alone = jobs.message(message.index, |_| false);
    assert_eq!(alone, Message { index: message.index, kind: Kind::Original });
    assert!(jobs.body(&alone).contains(&format!("load-run-{}\"", message.index)));
}

#[test]
fn invalid_jobs_break_different_rules() {
    let jobs = shaped(|shape| shape.invalid = 1.0);
    let mut codes: Vec<&str> = (0..7)
        .map(|index| match receive(&jobs.job(index)).unwrap().job {
            Err(Refusal::Invalid(error)) => error.code.as_str(),
            Ok(job) if job.filter.is_some() => "unknown_attribute", // says the catalog
            other => panic!("{other:?}"),
        })
        .collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "conflicting_fields",
            "invalid_filter",
            "invalid_vector",
            "missing_field",
            "out_of_range",
            "unknown_attribute",
            "unknown_field"
        ]
    );
}

#[test]
fn messages_have_the_size_asked_for_and_stay_valid() {
    for bytes in (120..400).chain([1_000, 65_536, MESSAGE_MAX_BYTES]) {
        let jobs = shaped(|shape| shape.payload_bytes = Some(bytes..=bytes));
        let plain = shaped(|_| {}).job(3).len();
        let body = jobs.job(3);
        assert!(receive(&body).unwrap().job.is_ok(), "{body}");
        let least = plain + 15; // the field itself, with nothing in it
        assert!(
            body.len() == bytes || (bytes < least + 3 && body.len() <= bytes.max(plain)),
            "{bytes}: {}",
            body.len()
        );
    }
    let jobs = shaped(|shape| shape.payload_bytes = Some(500..=4_000));
    let sizes: Vec<usize> = (0..500).map(|index| jobs.job(index).len()).collect();
    assert!(sizes.iter().all(|bytes| (500..=4_000).contains(bytes)));
    assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() > 3_000);
}

#[test]
fn top_k_is_set_where_a_job_names_none() {
    let source = Source::from_lines("{\"query\":\"a\"}\n{\"query\":\"a\",\"top_k\":3}").unwrap();
    let jobs = Jobs::new("r".into(), source, Shape { top_k: Some(9), ..Shape::plain(0, Choice::InTurn) });
    let top_k = |index| receive(&jobs.job(index)).unwrap().job.unwrap().top_k;
    assert_eq!([top_k(0), top_k(1)], [9, 3]);
}

#[test]
fn tenants_are_named_if_there_are_any_and_as_unequal_as_the_queries() {
    let tenant = |jobs: &Jobs, index| jobs.tenant(&Message { index, kind: Kind::Original });
    assert_eq!(tenant(&shaped(|_| {}), 1), None);
    let counts = |jobs: Jobs| -> Vec<usize> {
        let all: Vec<String> = (0..3_000).map(|index| tenant(&jobs, index).unwrap()).collect();
        (0..3).map(|number| all.iter().filter(|name| **name == format!("tenant-{number}")).count()).collect()
    };
    let even = counts(shaped(|shape| shape.tenants = 3));
    assert!(even.iter().all(|count| count.abs_diff(1_000) < 150), "{even:?}");
    let uneven = counts(shaped(|shape| (shape.tenants, shape.tenant_choice) = (3, Choice::zipf(3, 2.0))));
    assert!(uneven[0] > 2 * uneven[1] && uneven[1] > uneven[2], "{uneven:?}");
}

#[test]
fn a_sample_is_the_share_asked_for() {
    let count = (0..100_000).filter(|index| is_sampled(*index, 0.1)).count();
    assert!(count.abs_diff(10_000) < 400, "{count}");
    assert_eq!((0..1_000).filter(|index| is_sampled(*index, 1.0)).count(), 1_000);
    assert_eq!((0..1_000).filter(|index| is_sampled(*index, 0.0)).count(), 0);
}

/// Each kind of traffic at once.
fn busy(filters: Option<&str>) -> Jobs {
    shaped(|shape| {
        (shape.duplicates, shape.conflicts, shape.invalid) = (0.1, 0.1, 0.1);
        (shape.top_k, shape.filters) = (Some(3), filters.map(|file| Filters::from_lines(file).unwrap()));
    })
}

#[test]
fn filters_change_nothing_but_the_filter() {
    let (plain, filtered) = (busy(None), busy(Some("{\"filter\":{\"price\":{\"$lt\":5.10}}}\n{\"weight\":0.5}")));
    let (mut with, mut without) = (0, 0);
    for index in 0..1_000 {
        let message = plain.planned(index);
        assert_eq!(filtered.planned(index), message);
        let (before, after) = (plain.body(&message), filtered.body(&message));
        if after == before {
            without += 1;
        } else {
            assert_eq!(
                after,
                format!(r#"{},"filter":{{"price":{{"$lt":5.10}}}}}}"#, before.strip_suffix('}').unwrap())
            );
            assert_ne!(message.kind, Kind::Invalid);
            with += 1;
        }
        if let Kind::Duplicate { of } = message.kind {
            assert_eq!(filtered.job(of), after, "byte for byte");
        }
    }
    // Two thirds of nine tenths.
    assert!(with > 500 && without > 330, "{with} {without}");
    let bodies = |jobs: &Jobs| (0..100).map(|index| jobs.job(index)).collect::<Vec<_>>();
    assert_eq!(bodies(&filtered), bodies(&busy(Some("{\"filter\":{\"price\":{\"$lt\":5.10}}}\n{\"weight\":0.5}"))));
}

#[test]
fn a_conflict_has_a_filter_of_its_own_and_its_planned_body() {
    let jobs = busy(Some(r#"{"filter":{"brand":"x"}}"#));
    let mut conflicts = (0..500).map(|index| jobs.planned(index));
    let message = conflicts.find(|message| matches!(message.kind, Kind::Conflict { .. })).unwrap();
    let Kind::Conflict { with } = message.kind else { unreachable!("it was looked for") };
    let body = jobs.body(&message);
    assert!(body.ends_with(r#","filter":{"brand":"x"}}"#) && jobs.conflicts(with).any(|planned| planned == body));
}

#[test]
fn jobs_of_a_file_keep_the_filter_that_they_name() {
    let file = "{\"query\":\"a\"}\n{\"query\":\"a\",\"filter\":{\"b\":1}}\n{\"query\":\"a\",\"filter\":null}\n{}";
    let filters = Some(Filters::from_lines(r#"{"filter":{"c":2}}"#).unwrap());
    let jobs =
        Jobs::new("r".into(), Source::from_lines(file).unwrap(), Shape { filters, ..Shape::plain(0, Choice::InTurn) });
    let filter = |index| serde_json::from_str::<serde_json::Value>(&jobs.job(index)).unwrap()["filter"].to_string();
    assert_eq!([0, 1, 2, 3].map(filter), [r#"{"c":2}"#, r#"{"b":1}"#, "null", r#"{"c":2}"#]);
}

#[test]
fn messages_with_a_filter_have_the_size_asked_for() {
    let jobs = shaped(|shape| {
        shape.payload_bytes = Some(1_000..=1_000);
        shape.filters = Some(Filters::from_lines(r#"{"filter":{"brand":"x"}}"#).unwrap());
    });
    let body = jobs.job(1);
    assert_eq!(body.len(), 1_000);
    let job = receive(&body).unwrap().job.unwrap();
    assert!(job.filter.is_some() && !job.exclude.is_empty());
}
