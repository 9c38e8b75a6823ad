//! `nearline catalog`: build, check, publish, roll back, inspect.

mod build;
mod input;
mod inspect;
mod open;
mod report;
mod size;

pub(super) use open::open_catalog;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::output::{CliError, print};
use crate::aws::{S3Artifacts, Sdk};
use crate::catalog::{Catalog, CatalogLocation, CatalogStore, Indexing, Pointer, S3Prefix, artifact};
use crate::compute::Compute;
use crate::config::Reader;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a catalog of products: embed what has no vector; goes on where an earlier build was stopped
    ///
    /// Reads Parquet, Arrow IPC (file, stream, Feather), JSON Lines, a JSON array, CSV with , ; tab or |, exports of
    /// DynamoDB, gzip and zstd of these, and folders of them, whatever they are called. Columns: product_id, category, text
    /// (only this is embedded), and optionally title and embedding (numbers; the text is not embedded then). Model and
    /// dimension: NEARLINE_EMBEDDING_MODEL (what is called), NEARLINE_EMBEDDING_MODEL_FAMILY (which model that is, if its
    /// name does not say so), NEARLINE_EMBEDDING_DIMENSION.
    Build(Box<build::BuildArgs>),
    /// List all that is wrong with products, with their own lines, before anything is paid for
    Check(build::CheckArgs),
    /// Check a catalog, upload it, and make it the current one
    Publish {
        /// Catalog file
        file: PathBuf,
        /// Where to: s3://BUCKET/PREFIX
        #[arg(long)]
        to: S3Prefix,
        /// Embedding model to name in a catalog that names none
        #[arg(long)]
        model: Option<String>,
        /// Which model that is, if its name does not say so, as the ARN of an application inference profile; unset:
        /// NEARLINE_EMBEDDING_MODEL_FAMILY
        #[arg(long, value_name = "ID")]
        model_family: Option<String>,
    },
    /// Make a version current that was published before
    Rollback {
        /// Version: the first 16 hex digits of the file's SHA-256
        version: String,
        /// Where: s3://BUCKET/PREFIX
        #[arg(long)]
        to: S3Prefix,
    },
    /// Say what a catalog of so many products would take: memory, file, and the size of a Lambda function
    Size(size::SizeArgs),
    /// Say what is in a catalog: rows, categories, model, memory needed
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
        Command::Publish { file, to, model, model_family } => publish(&file, &to, model.as_deref(), model_family).await,
        Command::Rollback { version, to } => {
            let pointer = store().await?.rollback(&to, &version).await?;
            announce(&to, &pointer)
        }
        Command::Size(args) => size::show(&args),
        Command::Inspect { catalog, json } => inspect::show(&load(&catalog).await?, json),
    }
}

async fn store() -> Result<CatalogStore<S3Artifacts>, CliError> {
    Ok(CatalogStore::new(Sdk::load_usable().await?.artifacts(), indexing()?))
}

/// With all processors, while more is read.
fn indexing() -> Result<Indexing, CliError> {
    Ok(Indexing { compute: Compute::threads(None)?, ..Indexing::default() })
}

async fn publish(file: &Path, to: &S3Prefix, model: Option<&str>, family: Option<String>) -> Result<(), CliError> {
    let family = match family {
        Some(family) => Some(family),
        None => Reader::from_process().publish()?,
    };
    let artifact = artifact::load_path(file)?;
    let artifact = match model {
        Some(model) => artifact.with_model(model)?,
        None => artifact,
    };
    announce(to, &store().await?.publish(artifact, to, family.as_deref()).await?)
}

fn announce(to: &S3Prefix, pointer: &Pointer) -> Result<(), CliError> {
    eprintln!("{to} now serves version {}: {} products", pointer.version, pointer.rows);
    print(&pointer.version)
}

/// The catalog of a location, or of products that bring their vectors.
async fn load(location: &CatalogLocation) -> Result<Catalog, CliError> {
    match location {
        CatalogLocation::File(path) => open_catalog(path, &indexing()?).await,
        location @ CatalogLocation::S3(_) => Ok(store().await?.load(location).await?),
    }
}
