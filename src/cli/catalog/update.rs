//! `nearline catalog update` and `compact`: changed products without a new artifact, and an artifact of all changes.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use super::input::{ColumnArgs, Input};
use super::open::store;
use super::publish::{Uploading, announce};
use super::report;
use crate::aws::Sdk;
use crate::catalog::source::{Source, Survey};
use crate::catalog::{
    CatalogError, ChangeError, Compacted, Compared, Difference, Fetched, Pointer, S3Prefix, UpdateBase,
};
use crate::cli::output::{CliError, counted, json, print};
use crate::cli::progress::Progress;
use crate::config::{QuerySettings, Reader};
use crate::embed::{Embedder, Model, Purpose};

/// Times that an update is made anew because somebody else published first.
const TRIES: usize = 5;
/// Updates of a catalog from which on it should be compacted, and their rows of a hundred products.
const UPDATES_MAX: usize = 100;
const ROWS_PERCENT: u64 = 10;

#[derive(Args)]
pub(in crate::cli) struct UpdateArgs {
    /// Products that are new or changed: a file or folder, - (standard input), s3://BUCKET/KEY or dynamodb://TABLE, as
    /// `catalog build --input` takes them. Columns that it lacks stay as they are; a column `deleted` (true or false) says
    /// which products go. It may be a whole feed: what is the same is left out
    #[arg(required_unless_present = "delete")]
    input: Option<Input>,
    /// Where the catalog is: s3://BUCKET/PREFIX
    #[arg(long)]
    to: S3Prefix,
    #[command(flatten)]
    columns: ColumnArgs,
    /// Products that go: their ids, one a line
    #[arg(long, value_name = "IDS.txt")]
    delete: Option<PathBuf>,
    /// Leave out rows that are not valid and texts that the model refuses, write them here (CSV), and publish the rest
    #[arg(long, value_name = "REJECTS.csv")]
    skip_invalid: Option<PathBuf>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// What changed, as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct CompactArgs {
    /// Where the catalog is: s3://BUCKET/PREFIX
    #[arg(long)]
    to: S3Prefix,
    /// Which model it is of, if its name does not say so; unset: NEARLINE_EMBEDDING_MODEL_FAMILY
    #[arg(long, value_name = "ID")]
    model_family: Option<String>,
}

/// What `update --json` prints.
#[derive(Serialize)]
struct Report<'a> {
    /// What is current afterwards.
    version: &'a str,
    /// Products that it has; with `--dry-run` those that it would have.
    products: u64,
    added: u64,
    replaced: u64,
    deleted: u64,
    unchanged: u64,
    /// Products that were to be deleted and are not there.
    not_there: u64,
    /// Rows that were left out because something is wrong with them.
    left_out: u64,
    /// Texts that were embedded; with `--dry-run` those that would be.
    texts: u64,
    /// Updates beside the artifact.
    updates: usize,
    dry_run: bool,
}

pub(super) async fn update(args: UpdateArgs) -> Result<(), CliError> {
    args.columns.check_no_attributes()?;
    let settings = Reader::from_process().query()?;
    let delete = Arc::new(args.delete.as_deref().map(ids).transpose()?.unwrap_or_default());
    let (store, mut fetched, mut source) = (store().await?, Fetched::default(), None);
    for attempt in 1..=TRIES {
        let mut current = store.fetch_current(&args.to, &mut fetched).await?;
        let model = current.model(&settings.guard)?;
        if let (None, Some(input)) = (&source, &args.input) {
            source = Some(input.source(&args.columns, model.is_none()).await?);
        }
        let chars_max = model.as_ref().map(Model::chars_max);
        let (survey, mut difference);
        loop {
            let rejects = args.skip_invalid.clone();
            let compared = compare(current, source.take(), Arc::clone(&delete), chars_max, rejects).await?;
            (current, source) = (compared.current, compared.source);
            match compared.found {
                Compared::Whole(found) => {
                    (survey, difference) = *found;
                    break;
                }
                Compared::NeedsVectors(rows) => {
                    current = store.fetch_vectors(&args.to, current, &rows, &mut fetched).await?;
                }
            }
        }
        check(&args, source.as_ref(), &survey)?;
        let texts = difference.texts() as u64;
        if texts > 0 && !current.knows_texts() {
            eprintln!("warning: the catalog does not say which texts its vectors are of: all texts are embedded");
        }
        if difference.is_empty() || args.dry_run {
            let pointer = current.pointer();
            let what = if difference.is_empty() { "nothing is different: nothing was written" } else { "dry run" };
            eprintln!("{what}: {}", in_words(&difference, texts));
            return said(&args, pointer, &difference, &survey, texts);
        }
        embed(&mut difference, model, &settings, &mut fetched).await?;
        match store.publish_update(&args.to, &current, &difference, OffsetDateTime::now_utc()).await {
            Ok(pointer) => {
                let left_out = difference.keep_rejects()?;
                if let (Some(path), 1..) = (&args.skip_invalid, left_out) {
                    eprintln!("{} left out: see {}", counted(left_out, "row"), path.display());
                }
                eprintln!("{} now serves version {}: {} products", args.to, pointer.version, pointer.rows);
                eprintln!("{}", in_words(&difference, texts));
                advise(&args.to, &pointer);
                return said(&args, &pointer, &difference, &survey, texts);
            }
            Err(ChangeError::Overtaken { by, .. }) if attempt < TRIES => {
                eprintln!("note: somebody else published {by}: the update is made again, based on that");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) async fn compact(args: CompactArgs) -> Result<(), CliError> {
    let family = match args.model_family {
        Some(family) => Some(family),
        None => Reader::from_process().publish()?,
    };
    let uploading = Uploading::default();
    let told = |uploaded| uploading.told(uploaded);
    let compacted = store().await?.compact(&args.to, family.as_deref(), OffsetDateTime::now_utc(), &told).await;
    uploading.finish();
    match compacted? {
        None => {
            eprintln!("{} has no updates: there is nothing to compact", args.to);
            Ok(())
        }
        Some(Compacted { pointer, folded, kept }) => {
            let came = match kept {
                0 => String::new(),
                kept => format!("; {} came meanwhile, and stay", counted(kept as u64, "update")),
            };
            eprintln!("{} are in the new artifact{came}", counted(folded as u64, "update"));
            announce(&args.to, &pointer)
        }
    }
}

/// Products, one a line.
fn ids(path: &Path) -> Result<BTreeSet<String>, CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::io(path.display().to_string()))?;
    let lines = text.trim_start_matches('\u{feff}').lines();
    Ok(lines.map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect())
}

/// What was compared, and what was found.
struct Comparison {
    current: UpdateBase,
    source: Option<Source>,
    found: Compared,
}

async fn compare(
    current: UpdateBase,
    source: Option<Source>,
    delete: Arc<BTreeSet<String>>,
    chars_max: Option<usize>,
    rejects: Option<PathBuf>,
) -> Result<Comparison, CliError> {
    let compared = spawn_blocking(move || {
        let progress = Progress::counting("reading rows");
        let source = source.map(|source| current.source(source));
        let compared = current
            .compare(source.as_ref(), &delete, chars_max, rejects.as_deref(), &|rows| report::show(&progress, rows));
        progress.finish();
        compared.map(|found| Comparison { current, source, found })
    });
    Ok(compared.await.map_err(|error| CliError::Other(error.to_string()))??)
}

/// Whether what was found can be published.
fn check(args: &UpdateArgs, source: Option<&Source>, survey: &Survey) -> Result<(), CliError> {
    let Some(source) = source else { return Ok(()) };
    report::warn(source, survey);
    if survey.broken.is_some() || survey.faulty_rows > 0 && args.skip_invalid.is_none() {
        report::faults(source, survey);
        return Err(report::refused(survey, ": nothing was published; --skip-invalid REJECTS.csv publishes the rest"));
    }
    Ok(())
}

async fn embed(
    difference: &mut Difference,
    model: Option<Model>,
    settings: &QuerySettings,
    fetched: &mut Fetched,
) -> Result<(), CliError> {
    let (texts, Some(model)) = (difference.texts(), model) else { return Ok(()) };
    if texts == 0 {
        return Ok(());
    }
    let models = Sdk::load_usable().await?.models().in_tier(settings.service_tier.as_deref());
    let embedder = Embedder::start(models, settings.embedding, model, Purpose::Document);
    let (progress, done) = (Progress::new("embedding", texts), Cell::new(0));
    let truncated = difference.embed(&embedder, fetched, |now| progress.set(done.replace(now).max(now))).await;
    progress.finish();
    let truncated = truncated.map_err(|error| match error {
        CatalogError::Service(fault) => CliError::Other(format!("{fault} (nothing was published: run it again)")),
        error => error.into(),
    })?;
    if truncated > 0 {
        eprintln!("warning: {} longer than the model takes: cut at the end", counted(truncated, "text"));
    }
    Ok(())
}

fn in_words(difference: &Difference, texts: u64) -> String {
    let Difference { added, replaced, deleted, unchanged, not_there, .. } = difference;
    let mut words = format!("{added} added, {replaced} replaced, {deleted} deleted, {unchanged} unchanged");
    if texts > 0 {
        words += &["; ", &counted(texts, "text"), " embedded"].concat();
    }
    if *not_there > 0 {
        words += &["; ", &not_there.to_string(), " to be deleted, but not in the catalog"].concat();
    }
    words
}

/// Says when updates should become an artifact.
fn advise(to: &S3Prefix, pointer: &Pointer) {
    let rows: u64 = pointer.updates.iter().map(|update| update.rows + update.deleted).sum();
    if pointer.updates.len() >= UPDATES_MAX || rows * 100 > pointer.rows * ROWS_PERCENT {
        let updates = counted(pointer.updates.len() as u64, "update");
        eprintln!(
            "warning: {updates} with {rows} rows make searches slower and workers start later: run `nearline catalog compact \
             --to {to}`"
        );
    }
}

fn said(
    args: &UpdateArgs,
    pointer: &Pointer,
    difference: &Difference,
    survey: &Survey,
    texts: u64,
) -> Result<(), CliError> {
    if !args.json {
        return print(&pointer.version);
    }
    let Difference { added, replaced, deleted, unchanged, not_there, rows_after, .. } = *difference;
    print(&json(&Report {
        version: &pointer.version,
        products: rows_after,
        added,
        replaced,
        deleted,
        unchanged,
        not_there,
        left_out: survey.faulty_rows + difference.refused,
        texts,
        updates: pointer.updates.len(),
        dry_run: args.dry_run,
    })?)
}
