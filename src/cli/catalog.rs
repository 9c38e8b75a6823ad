//! `nearline catalog`: build, publish, roll back, inspect.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::output::{CliError, json, print};
use super::progress::Progress;
use crate::aws::{S3Artifacts, Sdk};
use crate::catalog::store::load_file;
use crate::catalog::{
    Catalog, CatalogError, CatalogLocation, CatalogStore, Indexing, Pointer, S3Prefix, artifact, build,
};
use crate::config::Reader;
use crate::embed::{Embedder, Model, Purpose};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Embed the products of a CSV file and write a catalog; goes on where an earlier build was stopped
    ///
    /// Columns: product_id, category, text (what is embedded), and optionally title and embedding (a JSON array; the
    /// text is not embedded then). Model and dimension: NEARLINE_EMBEDDING_MODEL, NEARLINE_EMBEDDING_DIMENSION.
    Build {
        /// CSV file
        #[arg(long)]
        input: PathBuf,
        /// Catalog to write (an Arrow IPC file)
        #[arg(long)]
        output: PathBuf,
    },
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
    },
    /// Make a version current that was published before
    Rollback {
        /// Version: the first 16 hex digits of the file's SHA-256
        version: String,
        /// Where: s3://BUCKET/PREFIX
        #[arg(long)]
        to: S3Prefix,
    },
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
        Command::Build { input, output } => build_catalog(&input, &output).await,
        Command::Publish { file, to, model } => publish(&file, &to, model.as_deref()).await,
        Command::Rollback { version, to } => {
            let pointer = store().await.rollback(&to, &version).await?;
            announce(&to, &pointer)
        }
        Command::Inspect { catalog, json } => inspect(&catalog, json).await,
    }
}

async fn store() -> CatalogStore<S3Artifacts> {
    CatalogStore::new(Sdk::load().await.artifacts(), Indexing::default())
}

async fn build_catalog(input: &Path, output: &Path) -> Result<(), CliError> {
    let settings = Reader::from_process().build()?;
    let model = Model::new(&settings.model_id, settings.dimension)?;
    let products = build::read_csv(input)?;
    let models = Sdk::load().await.models();
    let embedder = Embedder::start(models, settings.embedding, model.clone(), Purpose::Document);
    let (total, progress) = (products.len(), Progress::new("embedding", products.len()));
    let built = build::build(products, &model, &embedder, output, |done| progress.set(done)).await;
    progress.finish();
    if let Err(CatalogError::Service(fault)) = built {
        let hint = "what was embedded is kept: run the same command again to go on";
        return Err(CliError::Other(format!("{fault} ({hint})")));
    }
    built?;
    eprintln!("{}: {total} products, {} dimensions, model {}", output.display(), settings.dimension, model.id());
    Ok(())
}

async fn publish(file: &Path, to: &S3Prefix, model: Option<&str>) -> Result<(), CliError> {
    let artifact = artifact::load_path(file)?;
    let artifact = match model {
        Some(model) => artifact.with_model(model)?,
        None => artifact,
    };
    announce(to, &store().await.publish(artifact, to).await?)
}

fn announce(to: &S3Prefix, pointer: &Pointer) -> Result<(), CliError> {
    eprintln!("{to} now serves version {}: {} products", pointer.version, pointer.rows);
    print(&pointer.version)
}

/// What `inspect --json` prints.
#[derive(Serialize)]
struct Inspection<'a> {
    version: &'a str,
    rows: usize,
    dimension: usize,
    model_id: Option<&'a str>,
    memory_bytes: usize,
    categories: Vec<Category<'a>>,
}

#[derive(Serialize)]
struct Category<'a> {
    name: &'a str,
    rows: u32,
}

impl<'a> Inspection<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let category = |(number, &rows): (usize, &u32)| Category { name: catalog.category_name(number as u32), rows };
        Self {
            version: catalog.version(),
            rows: catalog.rows(),
            dimension: catalog.dimension(),
            model_id: catalog.model_id(),
            memory_bytes: catalog.memory_bytes(),
            categories: catalog.rows_by_category().iter().enumerate().map(category).collect(),
        }
    }
}

async fn inspect(location: &CatalogLocation, as_json: bool) -> Result<(), CliError> {
    let catalog = match location {
        CatalogLocation::File(path) => load_file(path, &Indexing::default()).await?,
        location @ CatalogLocation::S3(_) => store().await.load(location).await?,
    };
    let inspection = Inspection::new(&catalog);
    if as_json {
        return print(&json(&inspection)?);
    }
    let mut lines = vec![
        format!("version     {}", inspection.version),
        format!("products    {}", inspection.rows),
        format!("dimension   {}", inspection.dimension),
        format!("model       {}", inspection.model_id.unwrap_or("none: vector and product_id jobs only")),
        format!("memory      {:.1} MiB", inspection.memory_bytes as f64 / f64::from(1 << 20)),
        format!("categories  {}", inspection.categories.len()),
    ];
    lines.extend(inspection.categories.iter().map(|category| format!("  {:>9}  {}", category.rows, category.name)));
    print(&lines.join("\n"))
}
