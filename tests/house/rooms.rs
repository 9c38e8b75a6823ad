//! The rooms of `src/`: a folder, or a file beside them. Which may name items of which, and what else each may name.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use crate::crate_map::{CrateMap, Edges, Sources, Target};
use crate::names::plain;

/// Each room and those whose items it may name, beside `EVERYWHERE`. Whatever is not here is not allowed.
const DIRECTIONS: [(&str, &[&str]); 11] = [
    ("bin", &["aws", "cli", "config", "intake", "telemetry"]),
    ("cli", &["aws", "catalog", "coalesce", "config", "embed", "intake", "results", "telemetry", "worker"]),
    // The rooms' own types of settings, which it fills in.
    ("config", &["aws", "catalog", "embed", "intake", "results", "telemetry"]),
    // The rooms' traits, which it implements.
    ("aws", &["catalog", "embed", "intake", "results"]),
    ("intake", &["catalog", "coalesce", "embed", "results", "telemetry", "worker"]),
    ("worker", &["catalog", "coalesce", "embed", "results", "telemetry"]),
    ("catalog", &["embed", "telemetry"]),
    ("embed", &["coalesce", "telemetry"]),
    ("results", &["telemetry"]),
    ("coalesce", &[]),
    ("telemetry", &[]),
];

/// Files beside the rooms that any of them may name, and that name nothing but each other.
const EVERYWHERE: [&str; 7] = ["backoff", "clock", "compute", "fault", "fault_plan", "trace", "under_way"];

/// Crates by the beginning of their names, and the rooms that may name them, also in tests.
const CRATES: [(&str, &[&str]); 8] = [
    ("aws_config", &["aws"]),
    ("aws_credential", &["aws"]),
    ("aws_sdk_", &["aws"]),
    ("aws_smithy", &["aws"]),
    ("aws_types", &["aws"]),
    ("aws_lambda_events", &["intake"]),
    ("lambda_runtime", &["bin", "intake"]),
    ("nearline_cost", &["cli"]),
];

/// Who asks for settings and hands them on.
const ABOVE_SETTINGS: [&str; 3] = ["bin", "cli", "config"];

const LINES_LIMIT: usize = 350;

/// `src/catalog/store.rs` is in `catalog`, `src/fault.rs` is `fault`.
fn room(file: &str) -> &str {
    let place = file.strip_prefix("src/").unwrap_or(file);
    place.split('/').next().unwrap_or(place).trim_end_matches(".rs")
}

/// Which rooms name items of which others.
pub(crate) fn edges(files: &Edges) -> Edges {
    let mut edges = Edges::new();
    for ((from, to), names) in files {
        let (from, to) = (room(from), room(to));
        if from != to {
            edges.entry((from.into(), to.into())).or_default().extend(names.iter().cloned());
        }
    }
    edges
}

pub(crate) fn long_files(sources: &Sources) -> Vec<String> {
    let lines = sources.iter().map(|(file, text)| (file, text.lines().count()));
    let long = lines.filter(|(_, lines)| *lines > LINES_LIMIT);
    long.map(|(file, lines)| format!("{file} has {lines} lines, more than {LINES_LIMIT}: split it")).collect()
}

/// The same of the contract: what its features bring is named where they are alone.
const CRATES_OF_CONTRACT: [(&str, &[&str]); 3] =
    [("aws_", &["client", "item"]), ("fastrand", &["client"]), ("tokio", &["client"])];

/// Files that name crates of other rooms.
pub(crate) fn strangers(sources: &Sources) -> Vec<String> {
    strangers_of(sources, &CRATES)
}

/// The same of the contract.
pub(crate) fn strangers_of_contract(sources: &Sources) -> Vec<String> {
    strangers_of(sources, &CRATES_OF_CONTRACT)
}

fn strangers_of(sources: &Sources, crates_of_rooms: &[(&str, &[&str])]) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, text) in sources {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut named = BTreeSet::new();
        crates(tokens, &mut named);
        for name in named {
            let known = crates_of_rooms.iter().find(|(start, _)| name.starts_with(start));
            if let Some((_, rooms)) = known.filter(|(_, rooms)| !rooms.contains(&room(file))) {
                faults.push(format!("{file} names {name}, which belongs to {}", rooms.join(" and ")));
            }
        }
    }
    faults
}

/// All names before a `::`, crates among them.
fn crates(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => crates(group.stream(), found),
            TokenTree::Ident(ident) => {
                let next = tokens.peek().map(ToString::to_string);
                if matches!(next.as_deref(), Some(":" | "as")) {
                    found.insert(plain(&ident));
                }
            }
            _ => {}
        }
    }
}

/// Files that read the environment, or settings that are not handed to them.
pub(crate) fn readers_of_settings(map: &CrateMap) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for named in map.named() {
        let (file, room_here) = (named.file, room(named.file));
        let through_config = named.through.iter().any(|file| room(file) == "config");
        for target in named.targets {
            match target {
                Target::Item { file: of, name }
                    if (through_config || room(&of) == "config") && !ABOVE_SETTINGS.contains(&room_here) =>
                {
                    faults.insert(format!("{file} names {name} of config: what it needs is handed to it"));
                }
                Target::External(path) if room_here != "config" && is_environment(&path) => {
                    faults.insert(format!("{file} names {}: only config reads the environment", path.join("::")));
                }
                _ => {}
            }
        }
    }
    faults.into_iter().collect()
}

fn is_environment(path: &[String]) -> bool {
    matches!(path, [std, env, function] if std == "std" && env == "env" && function.starts_with("var"))
}

/// The rooms that this one may name, if it is one.
fn below_of(room: &str) -> Option<&'static [&'static str]> {
    DIRECTIONS.iter().find(|(name, _)| *name == room).map(|(_, below)| *below)
}

pub(crate) fn wrong_directions(edges: &Edges) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for ((from, to), names) in edges {
        let (above, below) = (room(from), room(to));
        if above == below || above == "lib" || EVERYWHERE.contains(&below) {
            continue;
        }
        let fault = match below_of(above) {
            _ if below_of(below).is_none() => format!("{below} is no room that is known here"),
            None if EVERYWHERE.contains(&above) => format!("{above} is below all rooms"),
            None => format!("{above} is no room that is known here"),
            Some(allowed) if !allowed.contains(&below) => format!("{above} knows only {}", allowed.join(", ")),
            Some(_) => continue,
        };
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        faults.insert(format!("{from} names {} of {to}: {fault}", names.join(", ")));
    }
    faults.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circles::circles;

    fn sources(files: &[(&str, &str)]) -> Sources {
        files.iter().map(|(file, text)| (format!("src/{file}"), (*text).to_owned())).collect()
    }

    fn map(files: &[(&str, &str)]) -> CrateMap {
        CrateMap::read("nearline", &sources(files))
    }

    #[test]
    fn no_room_is_above_itself() {
        for (room, _) in DIRECTIONS {
            let mut open: Vec<&str> = below_of(room).unwrap_or_default().to_vec();
            let mut seen = BTreeSet::new();
            while let Some(next) = open.pop() {
                assert_ne!(next, room);
                let below = below_of(next).unwrap_or_else(|| panic!("{next} is missing in the table"));
                if seen.insert(next) {
                    open.extend(below);
                }
            }
        }
    }

    #[test]
    fn rooms_can_go_in_a_circle_when_their_files_do_not() {
        let map = map(&[
            ("lib.rs", "mod account; mod verify;"),
            ("account.rs", "use crate::verify::Verdict; pub struct Account;"),
            ("verify/mod.rs", "mod judge; pub use judge::Verdict; use crate::account::Account;"),
            ("verify/judge.rs", "pub struct Verdict;"),
        ]);
        assert_eq!(circles("files", &map.edges()), [""; 0]);
        let expected =
            "2 rooms name each other in a circle:\n  account -> verify: Verdict\n  verify -> account: Account";
        assert_eq!(circles("rooms", &edges(&map.edges())), [expected]);
    }

    #[test]
    fn a_room_that_names_one_above_it_is_told_so() {
        let map = map(&[
            ("lib.rs", "mod embed; mod worker; mod fault; mod attic;"),
            ("embed/mod.rs", "mod cache; use crate::worker::Worker; use crate::fault::Fault;"),
            ("embed/cache.rs", ""),
            ("worker.rs", "pub struct Worker(crate::fault::Fault, crate::attic::Box);"),
            ("fault.rs", "pub struct Fault(crate::worker::Worker);"),
            ("attic.rs", "use crate::worker::Worker as _; pub struct Box;"),
        ]);
        let expected = [
            "src/attic.rs names Worker of src/worker.rs: attic is no room that is known here",
            "src/embed/mod.rs names Worker of src/worker.rs: embed knows only coalesce, telemetry",
            "src/fault.rs names Worker of src/worker.rs: fault is below all rooms",
            "src/worker.rs names Box of src/attic.rs: attic is no room that is known here",
        ];
        assert_eq!(wrong_directions(&map.edges()), expected);
    }

    #[test]
    fn the_environment_and_settings_are_read_in_few_places() {
        let map = map(&[
            ("lib.rs", "mod config; mod embed; mod cli;"),
            ("config/mod.rs", "mod read; pub use crate::embed::Limits; pub fn f() {} fn g() { std::env::var(\"A\"); }"),
            ("config/read.rs", "use std::env; fn f() { env::vars(); }"),
            ("cli.rs", "use crate::config::f; fn g() { std::env::args(); }"),
            (
                "embed.rs",
                "use std::env; pub struct Limits; use crate::config::Limits as L; \
                fn f() { env::var_os(\"A\"); log!(\"{}\", super::config::f()); } \
                #[cfg(test)] mod tests { fn f() { std::env::var(\"UPDATE_DOCS\"); } }",
            ),
        ]);
        let expected = [
            "src/embed.rs names Limits of config: what it needs is handed to it",
            "src/embed.rs names f of config: what it needs is handed to it",
            "src/embed.rs names std::env::var_os: only config reads the environment",
        ];
        assert_eq!(readers_of_settings(&map), expected);
    }

    #[test]
    fn a_crate_is_named_in_code_not_in_comments() {
        let sources = sources(&[
            ("aws/sqs.rs", "use aws_sdk_sqs::Client;"),
            ("embed.rs", "//! aws_sdk_s3::Client\nfn f() { log!(\"aws_sdk_s3::Client\") }"),
            ("results.rs", "use {std::fmt, ::aws_sdk_dynamodb as db}; #[cfg(test)] use lambda_runtime::Error;"),
            ("intake/lambda.rs", "use lambda_runtime::Error; fn f(_: aws_config::Region) {}"),
        ]);
        let expected = [
            "src/intake/lambda.rs names aws_config, which belongs to aws",
            "src/results.rs names aws_sdk_dynamodb, which belongs to aws",
            "src/results.rs names lambda_runtime, which belongs to bin and intake",
        ];
        assert_eq!(strangers(&sources), expected);
    }

    #[test]
    fn a_long_file_is_named_with_its_length() {
        let sources = sources(&[("a.rs", &"\n".repeat(350)), ("b.rs", &"\n".repeat(351))]);
        assert_eq!(long_files(&sources), ["src/b.rs has 351 lines, more than 350: split it"]);
    }
}
