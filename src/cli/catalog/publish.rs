//! `nearline catalog publish`, `rollback`, `promote` and `drop`: what a prefix serves.

use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use super::open::store;
use crate::catalog::{Pointer, Publication, S3Prefix, Share, Uploaded, artifact};
use crate::cli::output::{CliError, print};
use crate::cli::progress::Progress;
use crate::config::Reader;

#[derive(Args)]
pub(in crate::cli) struct PublishArgs {
    /// Catalog file
    file: PathBuf,
    /// Where to: s3://BUCKET/PREFIX
    #[arg(long)]
    to: S3Prefix,
    /// Embedding model to name in a catalog that names none
    #[arg(long)]
    model: Option<String>,
    /// Which model that is, if its name does not say so, such as the ARN of an application inference profile; unset:
    /// NEARLINE_EMBEDDING_MODEL_FAMILY
    #[arg(long, value_name = "ID")]
    model_family: Option<String>,
    /// Try it out: it answers a share of the jobs beside the current catalog, until it is promoted or dropped
    #[arg(long, requires = "share")]
    candidate: bool,
    /// Share of the jobs that the candidate answers, such as 5%
    #[arg(long, requires = "candidate")]
    share: Option<Share>,
    /// Publish even if its model or dimension differs from the current catalog's
    #[arg(long)]
    force: bool,
    /// Store no packed indexes beside it: workers take longer to load it
    #[arg(long)]
    no_index: bool,
}

#[derive(Args)]
pub(in crate::cli) struct RollbackArgs {
    /// Version, as `catalog versions` lists it; without one, the version that was current before
    version: Option<String>,
    /// Where: s3://BUCKET/PREFIX
    #[arg(long)]
    to: S3Prefix,
}

#[derive(Args)]
pub(in crate::cli) struct AtArgs {
    /// Where: s3://BUCKET/PREFIX
    #[arg(long)]
    to: S3Prefix,
}

pub(super) async fn publish(args: PublishArgs) -> Result<(), CliError> {
    let PublishArgs { file, to, model, model_family, candidate: _, share, force, no_index } = args;
    let family = match model_family {
        Some(family) => Some(family),
        None => Reader::from_process().publish()?,
    };
    let store = store().await?;
    let named = match model {
        Some(model) => {
            let of = file.clone();
            // A malformed file can make its reader panic.
            let named = spawn_blocking(move || with_model(&of, &model)).await;
            named.map_err(|error| CliError::Other(format!("{}: reading it failed: {error}", file.display())))??
        }
        None => None,
    };
    let file = named.as_ref().map_or(&*file, |named| named.path());
    let checked = store.check_file(file, &to, family.as_deref(), !no_index).await?;
    let uploading = Uploading::default();
    let told = |uploaded| uploading.told(uploaded);
    let publication = Publication { share, force, now: OffsetDateTime::now_utc(), told: &told };
    let published = store.publish_checked(&checked, &to, &publication).await;
    uploading.finish();
    let published = published?;
    match share {
        None => announce(&to, &published),
        Some(share) => {
            let Pointer { version, rows, .. } = &published;
            eprintln!("{to} has a candidate: version {version}, {rows} products, answers {share} of the jobs");
            eprintln!("then: nearline catalog promote --to {to}, or nearline catalog drop --to {to}");
            print(version)
        }
    }
}

/// A copy of an artifact that names a model; `None`: it does already.
fn with_model(file: &Path, model: &str) -> Result<Option<NamedTempFile>, CliError> {
    let copy = NamedTempFile::new().map_err(CliError::io("the folder for temporary files"))?;
    let sink = copy.reopen().map_err(CliError::io(copy.path().display().to_string()))?;
    Ok(artifact::name_model(file, model, sink)?.then_some(copy))
}

/// The bar of an upload, from when it begins.
#[derive(Default)]
pub(super) struct Uploading(std::sync::Mutex<Option<Progress>>);

impl Uploading {
    pub(super) fn told(&self, uploaded: Uploaded) {
        let mib = |bytes: u64| (bytes >> 20) as usize;
        let Uploaded { total, done, now } = uploaded;
        let mut bar = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bar.get_or_insert_with(|| Progress::new("uploading, MiB", mib(total)));
        bar.set_both(mib(done), mib(now));
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            bar.finish();
        }
    }
}

pub(super) async fn rollback(args: &RollbackArgs) -> Result<(), CliError> {
    let now = OffsetDateTime::now_utc();
    announce(&args.to, &store().await?.rollback(&args.to, args.version.as_deref(), now).await?)
}

pub(super) async fn promote(args: &AtArgs) -> Result<(), CliError> {
    announce(&args.to, &store().await?.promote(&args.to, OffsetDateTime::now_utc()).await?)
}

pub(super) async fn drop_candidate(args: &AtArgs) -> Result<(), CliError> {
    let version = store().await?.drop_candidate(&args.to).await?;
    eprintln!("{} has no candidate any more: it was version {version}", args.to);
    print(&version)
}

pub(super) fn announce(to: &S3Prefix, pointer: &Pointer) -> Result<(), CliError> {
    let before = pointer.previous.as_ref().map_or(String::new(), |version| format!(" (before: {version})"));
    eprintln!("{to} now serves version {}: {} products{before}", pointer.version, pointer.rows);
    print(&pointer.version)
}
