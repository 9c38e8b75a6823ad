//! `nearline catalog`: build, check, publish, update, try out, roll back, prune, inspect.

mod build;
mod compare;
mod compared;
mod input;
mod inspect;
mod open;
mod publish;
mod report;
mod size;
mod update;
mod versions;

pub(super) use open::open_catalog;
use open::{indexing, store};

use clap::Subcommand;

use super::output::CliError;
use crate::catalog::{Catalog, CatalogLocation};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Build a catalog of products: embed those without a vector; resumes a build that was stopped
    ///
    /// Reads Parquet, Arrow IPC (file, stream, Feather), JSON Lines, a JSON array, CSV with , ; tab or |, DynamoDB
    /// exports, gzip and zstd of these, and folders of them, whatever they are called. Columns: product_id, category, text
    /// (the only one embedded), and optionally title and embedding (numbers; the text is then not embedded). Model and
    /// dimension: NEARLINE_EMBEDDING_MODEL (the model to call), NEARLINE_EMBEDDING_MODEL_FAMILY (which model that is, if its
    /// name does not say so), NEARLINE_EMBEDDING_DIMENSION.
    Build(Box<build::BuildArgs>),
    /// List everything wrong with products, with line numbers, before anything is paid for
    Check(build::CheckArgs),
    /// Check a catalog, upload it, and make it the current one; resumes an upload that was stopped
    Publish(publish::PublishArgs),
    /// Publish new, changed and deleted products, without building a new catalog
    ///
    /// Compares a source with the current catalog, embeds only texts that changed, and publishes the differences as a small
    /// file beside the catalog. Workers read only that file.
    Update(Box<update::UpdateArgs>),
    /// Merge the current catalog and its updates into one catalog file; answers stay the same
    Compact(update::CompactArgs),
    /// Make an earlier published version current
    Rollback(publish::RollbackArgs),
    /// Make the candidate current
    Promote(publish::AtArgs),
    /// End the candidate: the current catalog answers all jobs again
    Drop(publish::AtArgs),
    /// List the published versions, when they were published, and which of them serve
    Versions(versions::VersionsArgs),
    /// Delete old versions, and objects that nothing names any more
    ///
    /// The current version, the one before it and the candidate stay, and so does everything younger than a day.
    Prune(versions::PruneArgs),
    /// Show what a catalog of a given size would take: memory, file, and the size of a Lambda function
    Size(size::SizeArgs),
    /// Compare how two catalogs answer the same jobs
    Compare(compare::CompareArgs),
    /// Show what is in a catalog: rows, categories, model, memory needed
    Inspect {
        /// Catalog file, or s3://BUCKET/PREFIX for the current one there
        catalog: CatalogLocation,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Build(args) => build::build(*args).await,
        Command::Check(args) => build::check(args).await,
        Command::Publish(args) => publish::publish(args).await,
        Command::Update(args) => update::update(*args).await,
        Command::Compact(args) => update::compact(args).await,
        Command::Rollback(args) => publish::rollback(&args).await,
        Command::Promote(args) => publish::promote(&args).await,
        Command::Drop(args) => publish::drop_candidate(&args).await,
        Command::Versions(args) => versions::list(&args).await,
        Command::Prune(args) => versions::prune(&args).await,
        Command::Size(args) => size::show(&args),
        Command::Compare(args) => compare::compare(&args).await,
        Command::Inspect { catalog, json } => inspect::show(&load(&catalog).await?, json),
    }
}

/// The catalog of a location, or of products that bring their vectors.
async fn load(location: &CatalogLocation) -> Result<Catalog, CliError> {
    match location {
        CatalogLocation::File(path) => open_catalog(path, &indexing()?).await,
        location @ CatalogLocation::S3(_) => Ok(store().await?.load(location).await?),
    }
}
