//! `nearline catalog versions` and `prune`: what is published, and what of it is deleted.

use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;

use super::open::store;
use crate::catalog::{Holding, Pruning, S3Prefix, Share, Version};
use crate::cli::dead_letters::confirm;
use crate::cli::output::{CliError, json, print};
use crate::cli::progress::Progress;

#[derive(Args)]
pub(in crate::cli) struct VersionsArgs {
    /// Where: s3://BUCKET/PREFIX
    #[arg(long)]
    to: S3Prefix,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct PruneArgs {
    /// Where: s3://BUCKET/PREFIX
    #[arg(long)]
    to: S3Prefix,
    /// How many versions to keep, the newest ones
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; required when not on a terminal
    #[arg(long)]
    yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// What `versions --json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    current: Option<&'a str>,
    previous: Option<&'a str>,
    candidate: Option<Tried<'a>>,
    versions: Vec<Line<'a>>,
    unfinished_uploads: usize,
}

#[derive(Serialize)]
struct Tried<'a> {
    version: &'a str,
    share: Share,
}

#[derive(Serialize)]
struct Line<'a> {
    version: &'a str,
    published_at: &'a str,
    /// `current`, `candidate`, `previous`, or nothing.
    serves: Vec<&'static str>,
    rows: Option<u64>,
    dimension: Option<u64>,
    model_id: Option<&'a str>,
    bytes: u64,
    updates: usize,
    /// Whether all of its objects are there.
    complete: bool,
}

/// What `prune --json` prints.
#[derive(Serialize)]
struct Pruned<'a> {
    versions: Vec<&'a str>,
    objects: usize,
    bytes: u64,
    uploads: usize,
    kept: usize,
    dry_run: bool,
}

impl<'a> Listing<'a> {
    fn new(holding: &'a Holding) -> Self {
        let current = holding.current.pointer.as_ref();
        let previous = current.and_then(|current| current.previous.as_deref());
        let candidate = holding.candidate.pointer.as_ref();
        let candidate = candidate.map(|it| Tried { version: &it.pointer.version, share: it.share });
        let current = current.map(|current| current.version.as_str());
        let roles =
            [("current", current), ("candidate", candidate.as_ref().map(|it| it.version)), ("previous", previous)];
        let line = |version: &'a Version| {
            let named =
                |(role, found): &(&'static str, Option<&str>)| (*found == Some(&version.version)).then_some(*role);
            let pointer = version.pointer.as_ref();
            Line {
                version: &version.version,
                published_at: &version.published_at,
                serves: roles.iter().filter_map(named).collect(),
                rows: pointer.map(|pointer| pointer.rows),
                dimension: pointer.map(|pointer| pointer.dimension),
                model_id: pointer.and_then(|pointer| pointer.model_id.as_deref()),
                bytes: version.bytes,
                updates: pointer.map_or(0, |pointer| pointer.updates.len()),
                complete: version.is_complete,
            }
        };
        let versions = holding.versions.iter().map(line).collect();
        Self { current, previous, candidate, versions, unfinished_uploads: holding.uploads.len() }
    }

    fn for_people(&self) -> String {
        let mut lines = vec![format!(
            "{:<16}  {:<24}  {:>11}  {:>9}  {:>7}  {:<20}  {}",
            "version", "published", "products", "MiB", "updates", "", "model"
        )];
        lines.extend(self.versions.iter().map(|line| {
            let tried = self.candidate.as_ref().filter(|tried| tried.version == line.version);
            let share = tried.map(|tried| tried.share.to_string());
            let serves: Vec<&str> = line.serves.iter().copied().chain(share.as_deref()).collect();
            let serves = serves.join(", ");
            let model = match (line.model_id, line.dimension) {
                _ if !line.complete => "incomplete: objects are missing".to_owned(),
                (Some(model), Some(dimension)) => format!("{model}, {dimension}"),
                (None, Some(dimension)) => format!("none, {dimension}"),
                (_, None) => "published by an older release".to_owned(),
            };
            let rows = line.rows.map_or("?".to_owned(), |rows| rows.to_string());
            format!(
                "{:<16}  {:<24}  {rows:>11}  {:>9.1}  {:>7}  {serves:<20}  {model}",
                line.version,
                line.published_at,
                line.bytes as f64 / f64::from(1 << 20),
                line.updates
            )
        }));
        lines.join("\n")
    }
}

pub(super) async fn list(args: &VersionsArgs) -> Result<(), CliError> {
    let holding = store().await?.holding(&args.to).await?;
    for error in holding.current.unreadable.iter().chain(&holding.candidate.unreadable) {
        eprintln!("{error}");
    }
    let listing = Listing::new(&holding);
    if args.json {
        return print(&json(&listing)?);
    }
    if !holding.uploads.is_empty() {
        let count = holding.uploads.len();
        eprintln!("{count} uploads are not finished and cost storage: publish the same file again, or `catalog prune`");
    }
    print(&listing.for_people())
}

pub(super) async fn prune(args: &PruneArgs) -> Result<(), CliError> {
    let PruneArgs { to, keep, dry_run, yes, json: as_json } = args;
    if !dry_run && !yes && !confirm::can_ask() {
        let text = "catalog prune deletes for good: it asks on a terminal, and needs --yes elsewhere";
        return Err(CliError::Usage(text.to_owned()));
    }
    let (store, now) = (store().await?, OffsetDateTime::now_utc());
    let pruning = store.to_prune(to, *keep as usize, now).await?;
    for version in &pruning.versions {
        eprintln!("  {}  {}  {:.1} MiB", version.version, version.published_at, mib(version.bytes));
    }
    if let Some(began_at) = &pruning.begun {
        eprintln!("a prune that began at {began_at} has not finished: this one goes on from there, once that is over");
    }
    let what = words(&pruning);
    if *dry_run || pruning.is_empty() {
        eprintln!("{to}: {}", if pruning.is_empty() { what } else { format!("would delete {what}") });
    } else {
        if !yes {
            confirm::ask(&format!("Delete {what} at {to} for good?"))?;
        }
        let progress = Progress::new("deleting", pruning.objects.len());
        let progress = std::sync::Mutex::new(progress);
        let told = |done| progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner).set(done);
        // Whatever was asked of people, what is young is told by when the mark is written.
        let deleted = store.prune(to, &pruning, OffsetDateTime::now_utc(), &told).await;
        progress.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).finish();
        let left = pruning.objects.len() - deleted?;
        let left = if left == 0 { String::new() } else { format!("; {left} stay, as they were published again since") };
        eprintln!("{to}: deleted {what}{left}");
    }
    if *as_json {
        print(&json(&Pruned {
            versions: pruning.versions.iter().map(|version| version.version.as_str()).collect(),
            objects: pruning.objects.len(),
            bytes: pruning.bytes(),
            uploads: pruning.uploads.len(),
            kept: pruning.kept,
            dry_run: *dry_run,
        })?)?;
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn words(pruning: &Pruning) -> String {
    if pruning.is_empty() {
        return format!("nothing to delete; {} versions stay", pruning.kept);
    }
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {} ({:.1} MiB) and {}; {} stay",
        count(pruning.versions.len(), "version"),
        count(pruning.objects.len(), "object"),
        mib(pruning.bytes()),
        count(pruning.uploads.len(), "unfinished upload"),
        count(pruning.kept, "version")
    )
}
