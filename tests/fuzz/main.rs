//! Damaged and hostile bytes for everything that reads from outside: nothing may panic, hang, or take memory beyond what
//! the length of the input justifies, and what is accepted keeps its promises.
//!
//! Each target is an ordinary test: it replays `corpus/<target>/`, then changes those files at random for `FUZZ_SECONDS`
//! (default 1). `make fuzz` gives the same targets to libFuzzer, which follows the coverage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg_attr(libfuzzer, no_main)]

mod answers;
mod artifact;
mod damage;
mod items;
mod jobs;
mod journal;
mod payload;
mod pointer;
mod receive;
mod trial;

use trial::Target;

/// Catalogs that pyarrow and polars wrote.
const CATALOGS: &[&str] = &[
    "tests/data/attributes.arrow",
    "tests/data/attributes-zstd.arrow",
    "tests/data/attributes-empty.arrow",
    "tests/data/polars.arrow",
    "tests/data/pyarrow.arrow",
    "tests/data/pyarrow-lz4-dictionary.arrow",
    "tests/data/pyarrow-zstd-large.arrow",
];

/// Each reader of foreign bytes.
const TARGETS: [Target; 8] = [
    Target { name: "answers", more_seeds: &[], try_bytes: answers::try_bytes },
    Target { name: "artifact", more_seeds: CATALOGS, try_bytes: artifact::try_bytes },
    Target { name: "items", more_seeds: &[], try_bytes: items::try_bytes },
    Target { name: "jobs", more_seeds: &["examples/jobs.jsonl"], try_bytes: jobs::try_bytes },
    Target { name: "journal", more_seeds: &[], try_bytes: journal::try_bytes },
    Target { name: "payload", more_seeds: &[], try_bytes: payload::try_bytes },
    Target { name: "pointer", more_seeds: &[], try_bytes: pointer::try_bytes },
    Target { name: "receive", more_seeds: &[], try_bytes: receive::try_bytes },
];

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target `{name}`"))
}

#[cfg(libfuzzer)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (target(&std::env::var("FUZZ_TARGET").unwrap()).try_bytes)(bytes));

#[test]
fn answers_of_embedding_models() {
    target("answers").run();
}

#[test]
fn catalog_artifacts() {
    target("artifact").run();
}

#[test]
fn items_of_the_results_table() {
    target("items").run();
}

#[test]
fn files_of_jobs() {
    target("jobs").run();
}

#[test]
fn journals_of_a_build() {
    target("journal").run();
}

#[test]
fn payloads_of_invocations() {
    target("payload").run();
}

#[test]
fn pointers_to_the_current_catalog() {
    target("pointer").run();
}

#[test]
fn bodies_of_jobs() {
    target("receive").run();
}
