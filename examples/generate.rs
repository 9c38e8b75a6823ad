//! Writes the example catalog, the example jobs and what must become of them: `cargo run --example generate`.
//!
//! `-- --check` writes nothing and fails if a committed file differs from what would be written. The output depends on
//! this code, the lexical embedding and the vocabulary alone: the random numbers are made here, so that no release of a
//! library changes the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "generate/catalog.rs"]
mod catalog;
#[path = "generate/filter.rs"]
mod filter;
#[path = "generate/jobs.rs"]
mod jobs;

use catalog::Catalog;

/// Seed of the shuffles and choices in the catalog, in its attributes and in the jobs: one each, so that a change of one
/// leaves the others alone.
const CATALOG_SEED: u64 = 2026;
const ATTRIBUTES_SEED: u64 = 49;
const JOBS_SEED: u64 = 200;

/// Why the files cannot be written or are not as they should be.
#[derive(Debug, thiserror::Error)]
enum GenerateError {
    #[error("unknown argument {0}: allowed is --check or nothing")]
    Usage(String),
    #[error("vocabulary/{file} is not valid: {source}")]
    Vocabulary { file: &'static str, source: serde_json::Error },
    #[error("template \"{template}\" of {category} names a slot that has no values: {slot}")]
    Slot { category: String, template: String, slot: String },
    #[error("{category} needs {wanted} different titles and its vocabulary gave only {got}: add values to its slots")]
    Titles { category: String, wanted: usize, got: usize },
    #[error("no product of the catalog has \"{0}\" in its title: choose other words for that job")]
    NoSuchTitle(&'static str),
    #[error("job {request_id} is not what it was made to be: {reason}")]
    Job { request_id: String, reason: String },
    #[error("filters.txt names {0}, which is not one job without a filter")]
    NoSuchJob(String),
    #[error("there must be {wanted} jobs and are {got}")]
    JobCount { wanted: usize, got: usize },
    #[error("cannot write the catalog as CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{} differs from what the generator makes: run `cargo run --example generate` and commit the files", .0.display())]
    Stale(PathBuf),
}

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ GenerateError::Usage(_)) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), GenerateError> {
    let check = match arguments {
        [] => false,
        [argument] if argument == "--check" => true,
        [unknown, ..] => return Err(GenerateError::Usage(unknown.clone())),
    };
    let catalog = Catalog::generate(&mut SplitMix64(CATALOG_SEED), &mut SplitMix64(ATTRIBUTES_SEED))?;
    let jobs = jobs::generate(&catalog, &mut SplitMix64(JOBS_SEED))?;
    let files = [("catalog.csv", catalog.to_csv()?), ("jobs.jsonl", jobs.lines), ("expected.json", jobs.expected)];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for (name, content) in files {
        let path = folder.join(name);
        if check {
            let committed = fs::read(&path).map_err(|source| GenerateError::File { path: path.clone(), source })?;
            if committed != content.as_bytes() {
                return Err(GenerateError::Stale(path));
            }
        } else {
            fs::write(&path, content).map_err(|source| GenerateError::File { path, source })?;
        }
    }
    Ok(())
}

/// Steele, Lea and Flood's generator: 64 bits of state, and every seed is a good one.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, by its high bits; the bias is 2^-64 times `bound`, which is nothing here.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// One of `items`, which must not be empty.
    fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Fisher and Yates.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
