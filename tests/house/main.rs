//! Keeps the house in order: files and rooms name each other in one direction, and what belongs to one room (the SDK,
//! the environment, Lambda's crates) is named there alone. docs/architecture.md says why. And what documents name exists.

mod circles;
mod crate_map;
mod documents;
mod names;
mod rooms;

use std::fs;
use std::path::Path;

use crate::circles::circles;
use crate::crate_map::{CrateMap, Sources};

/// Reads `src/` of the crate in this folder of the workspace.
fn sources(folder: &str) -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Sources::new();
    let mut open = vec![root.join("src")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let file = path.strip_prefix(&root).expect("is in the folder that was listed");
                sources.insert(file.to_str().expect("our files have plain names").to_owned(), text);
            }
        }
    }
    sources
}

/// Neither of files nor of rooms: a folder whose files name no circle can still be half of one.
fn has_no_circles(name: &str, folder: &str) {
    let edges = CrateMap::read(name, &sources(folder)).edges();
    assert!(!edges.is_empty(), "no file of {name} names another: the test reads it wrongly");
    let between_rooms = rooms::edges(&edges);
    passes(&[circles("files", &edges), circles("rooms", &between_rooms)].concat());
}

fn passes(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn nothing_in_nearline_goes_in_circles() {
    has_no_circles("nearline", ".");
}

#[test]
fn nothing_in_the_contract_goes_in_circles() {
    has_no_circles("nearline_contract", "contract");
}

#[test]
fn nothing_in_the_search_goes_in_circles() {
    has_no_circles("nearline_search", "search");
}

#[test]
fn nothing_in_the_cost_model_goes_in_circles() {
    has_no_circles("nearline_cost", "cost");
}

#[test]
fn the_cost_model_depends_on_nothing_that_could_do_io() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the cost model has a manifest");
    let (_, dependencies) = manifest.split_once("[dependencies]\n").expect("it has dependencies");
    let names: Vec<&str> = dependencies
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split(['.', ' ']).next())
        .collect();
    assert_eq!(names, ["humantime", "serde", "serde_json", "strsim", "thiserror"]);
}

#[test]
fn nothing_in_loadgen_goes_in_circles() {
    has_no_circles("loadgen", "loadgen");
}

#[test]
fn nothing_in_devstack_goes_in_circles() {
    has_no_circles("devstack", "devstack");
}

#[test]
fn no_file_of_the_product_is_too_long_to_read() {
    passes(&rooms::long_files(&sources(".")));
}

#[test]
fn what_belongs_to_one_room_is_named_there_alone() {
    passes(&rooms::strangers(&sources(".")));
}

#[test]
fn the_settings_are_handed_to_the_rooms_and_asked_for_by_none() {
    passes(&rooms::readers_of_settings(&CrateMap::read("nearline", &sources("."))));
}

#[test]
fn rooms_know_only_those_below_them() {
    passes(&rooms::wrong_directions(&CrateMap::read("nearline", &sources(".")).edges()));
}

#[test]
fn the_contract_brings_no_aws_to_those_who_do_not_ask_for_it() {
    passes(&rooms::strangers_of_contract(&sources("contract")));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the contract has a manifest");
    let part = |name: &str| manifest.split_once(&format!("[{name}]\n")).and_then(|(_, rest)| rest.split("\n[").next());
    let features = part("features").expect("it has features");
    assert!(features.lines().all(|line| !line.starts_with("default")), "a feature is on by default");
    let brought = |line: &&str| ["aws-", "fastrand", "tokio"].iter().any(|start| line.starts_with(start));
    for line in part("dependencies").expect("it has dependencies").lines().filter(brought) {
        assert!(line.contains("optional = true"), "{line}: everybody would have it");
    }
}

#[test]
fn documents_name_only_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = documents::documents(root);
    assert!(documents.iter().any(|document| document.path == Path::new("README.md")), "the documents are not found");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    // Two variables are of tests.
    let settings = ["src/config/table.rs", "tests/model/seeds.rs", "tests/end_to_end/kills.rs"].map(read).concat();
    let faults = [
        documents::dead_links(root, &documents),
        documents::unknown_verbs(&read("Makefile"), &documents),
        documents::unknown_settings(&settings, &documents),
    ];
    passes(&faults.concat());
}
