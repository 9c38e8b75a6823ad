//! `nearline catalog build` and `check`: from a source to a catalog, or to a list of all that is wrong with it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::input::{ColumnArgs, Input, folder_of, is_same};
use super::report;
use crate::aws::{Sdk, sources};
use crate::catalog::build::{Build, Built, Embedded, LeftOver, Options};
use crate::catalog::source::{FaultKind, Source, Survey};
use crate::catalog::{CatalogError, ObjectName, S3Prefix};
use crate::cli::output::{CliError, counted, json, print};
use crate::cli::progress::Progress;
use crate::config::{BuildSettings, Reader};
use crate::embed::batch::{BatchProgress, BatchSettings};
use crate::embed::{Embedder, Model, Purpose};
use crate::fault::Cause;

/// `--model` for vectors that no model is to be named of.
const NO_MODEL: &str = "none";

#[derive(Args)]
pub(in crate::cli) struct BuildArgs {
    /// Products: a file or folder, - (standard input), s3://BUCKET/KEY (an object, or all under it), or
    /// dynamodb://TABLE[/INDEX][?KEY=VALUE&KEY=VALUE] (a scan, or a query for each value)
    #[arg(long)]
    input: Input,
    /// Catalog to write, an Arrow IPC file: a path, or s3://BUCKET/KEY.arrow (built in this folder first)
    #[arg(long)]
    output: PathBuf,
    #[command(flatten)]
    columns: ColumnArgs,
    /// none: each row brings a vector, and the catalog names no model; or the model of the rows' own vectors, which is
    /// also called for texts without one and later for queries [default: NEARLINE_EMBEDDING_MODEL for texts; a catalog of
    /// own vectors names no model]
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// Leave out invalid rows and texts that the model refuses, write them here (CSV), and build the rest; a fault that
    /// makes the rest of a file unreadable cannot be left out
    #[arg(long, value_name = "REJECTS.csv")]
    skip_invalid: Option<PathBuf>,
    /// Reuse the vectors of an earlier catalog file: only texts that changed are embedded
    #[arg(long, value_name = "OLD.arrow")]
    from: Option<PathBuf>,
    /// Embed by Bedrock batch jobs, later and at half the price (Titan v2 only); their files are kept here
    #[arg(long, value_name = "s3://BUCKET/PREFIX", requires = "batch_role")]
    batch_inference: Option<S3Prefix>,
    /// Role that Bedrock assumes for the batch jobs; it must be allowed to read and write there
    #[arg(long, value_name = "ARN", requires = "batch_inference")]
    batch_role: Option<String>,
}

#[derive(Args)]
pub(in crate::cli) struct CheckArgs {
    /// Products: a file or folder, - (standard input), s3://BUCKET/KEY or dynamodb://TABLE, as for `catalog build
    /// --input`. Exits with 1 if something is wrong with them
    input: Input,
    #[command(flatten)]
    columns: ColumnArgs,
    /// none: each row must bring a vector; or the model that will embed the texts
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is called, as flag and settings say.
struct Called {
    settings: BuildSettings,
    /// `None`: no model.
    model: Option<Result<Model, CatalogError>>,
    label: Option<(String, Option<String>)>,
}

impl Called {
    fn new(flag: Option<&str>) -> Result<Self, CliError> {
        let settings = Reader::from_process().build(flag.filter(|flag| *flag != NO_MODEL))?;
        let family = settings.model_family.clone();
        let model = Model::new(&settings.model_id, family.as_deref(), settings.dimension);
        let model = (flag != Some(NO_MODEL)).then(|| model.map_err(CatalogError::from));
        let label = flag.filter(|flag| *flag != NO_MODEL).map(|flag| (flag.to_owned(), family));
        Ok(Self { settings, model, label })
    }

    fn options(&self) -> Options {
        let model = self.model.as_ref().and_then(|model| model.as_ref().ok()).cloned();
        Options { model, label: self.label.clone(), ..Options::default() }
    }
}

pub(super) async fn build(args: BuildArgs) -> Result<(), CliError> {
    let called = Called::new(args.model.as_deref())?;
    let remote = match remote(&args.output)? {
        Some(name) => Some((name, Sdk::load_usable().await?)),
        None => None,
    };
    let output = match &remote {
        Some((name, _)) => {
            args.input.check_object(name)?;
            local(name)
        }
        None => args.output.clone(),
    };
    check_written(&args, &output)?;
    let source = args.input.source(&args.columns, called.model.is_none()).await?;
    let options =
        Options { output: output.clone(), rejects: args.skip_invalid.clone(), from: args.from, ..called.options() };
    let build = survey(source, options).await?;
    report::warn(build.source(), build.survey());
    let survey = build.survey();
    let is_nothing_left = survey.rows == 0 && survey.faulty_rows > 0;
    if survey.broken.is_some() || is_nothing_left || survey.faulty_rows > 0 && args.skip_invalid.is_none() {
        report::faults(build.source(), survey);
        let rest = if is_nothing_left { "no row is left" } else { "--skip-invalid REJECTS.csv builds the rest" };
        return Err(report::refused(survey, &format!(": nothing was written; {rest}")));
    }
    // Before settings are asked for that only what can be built needs.
    build.check()?;
    if build.has_texts()
        && let (Some(prefix), Some(role), Some(Ok(model))) = (&args.batch_inference, &args.batch_role, &called.model)
    {
        embed_in_batches(&build, &BatchSettings::new(&prefix.to_string(), role, model.clone())?).await?;
    }
    let mut kinds = build.survey().kinds.clone();
    let built = finish(build, called).await?;
    if built.refused.count > 0 {
        kinds.insert(FaultKind::Refused, built.refused.count);
    }
    if let Some((name, sdk)) = &remote {
        let uploaded = sources::upload(sdk, &output, name).await;
        uploaded.map_err(|error| {
            let file = output.display();
            CliError::Other(format!(
                "{error} (the catalog itself is complete: `aws s3 cp {file} {name}`, or build with --from {file})"
            ))
        })?;
        std::fs::remove_file(&output).map_err(CliError::io(output.display().to_string()))?;
    }
    announce(&args.output, &built, args.skip_invalid.as_deref(), &kinds);
    Ok(())
}

pub(super) async fn check(args: CheckArgs) -> Result<(), CliError> {
    let called = Called::new(args.model.as_deref())?;
    let source = args.input.source(&args.columns, called.model.is_none()).await?;
    let chars_max = called.options().model.map(|model| model.chars_max());
    let surveyed = spawn_blocking(move || {
        let progress = Progress::counting("reading rows");
        let survey = Survey::by_most(|expected| {
            let mut rows = 0;
            let mut taken = |_: &_| {
                rows += 1;
                report::show(&progress, rows);
                Ok(())
            };
            Ok((Survey::of(&source, expected, chars_max, &mut taken, &mut |_, _, _| Ok(()))?, ()))
        });
        progress.finish();
        survey.map(|(survey, ())| (source, survey))
    });
    let (source, survey) = surveyed.await.map_err(|error| CliError::Other(error.to_string()))??;
    if args.json {
        print(&json(&report::Report::new(&source, &survey))?)?;
    } else {
        report::warn(&source, &survey);
        report::faults(&source, &survey);
        if survey.broken.is_none() {
            print(&report::summary(&survey))?;
        }
    }
    if survey.broken.is_some() || survey.faulty_rows > 0 {
        return Err(report::refused(&survey, ""));
    }
    if survey.rows == 0 { Err(CliError::Other("the source has no products".to_owned())) } else { Ok(()) }
}

async fn survey(source: Source, options: Options) -> Result<Build, CliError> {
    let surveyed = spawn_blocking(move || {
        let progress = Progress::counting("reading rows");
        let build = Build::survey_source(source, options, &|rows| report::show(&progress, rows));
        progress.finish();
        build
    });
    Ok(surveyed.await.map_err(|error| CliError::Other(error.to_string()))??)
}

async fn embed_in_batches(build: &Build, settings: &BatchSettings) -> Result<(), CliError> {
    let service = Sdk::load_usable().await?.batches();
    let progress = Progress::counting("texts that batch jobs have embedded:");
    let told = Cell::new(0);
    let shown = |now: BatchProgress| {
        if told.replace(now.jobs) != now.jobs {
            eprintln!("note: {} texts are in {} Bedrock batch jobs, which take minutes to hours", now.texts, now.jobs);
        }
        progress.set(now.embedded);
    };
    let left = build.embed_in_batches(&service, settings, shown).await;
    progress.finish();
    let left = left.map_err(hinted)?;
    if left.too_few + left.unanswered > 0 {
        let LeftOver { too_few, unanswered } = left;
        eprintln!(
            "note: {too_few} texts are too few for a batch job and {unanswered} got no answer: they are embedded one \
             by one now"
        );
    }
    Ok(())
}

/// With what to do after a fault of a service.
fn hinted(error: CatalogError) -> CliError {
    match error {
        CatalogError::Service(fault) => {
            let first = if fault.cause == Cause::CredentialsExpired { "log in again, then " } else { "" };
            CliError::Other(format!(
                "{fault} (embeddings so far are kept: {first}run the same command again to continue)"
            ))
        }
        error => error.into(),
    }
}

async fn finish(build: Build, called: Called) -> Result<Built, CliError> {
    let (survey, mut embedder) = (build.survey(), None);
    let texts = survey.without_vector as usize;
    if build.has_texts() {
        if let Some(model) = called.model {
            let models = Sdk::load_usable().await?.models().in_tier(called.settings.service_tier.as_deref());
            embedder = Some(Embedder::start(models, called.settings.embedding, model?, Purpose::Document));
        }
        let own = survey.rows - survey.without_vector;
        if own > 0 {
            let rows = counted(own, "row");
            eprintln!("note: {rows} with vectors of their own, assumed to come from the same model");
        }
    }
    let progress = Progress::new("embedding", texts);
    let shown = |embedded: Embedded| {
        progress.set_both((embedded.now + embedded.before) as usize, embedded.now as usize);
    };
    let built = build.finish(embedder.as_ref(), shown).await;
    progress.finish();
    built.map_err(hinted)
}

fn announce(output: &Path, built: &Built, rejects: Option<&Path>, kinds: &BTreeMap<FaultKind, u64>) {
    let list = |what: &str, listed: &crate::catalog::source::Listed| {
        if listed.count > 0 {
            let shown: Vec<&str> = listed.first.iter().map(|(_, what)| what.as_str()).collect();
            let more = if listed.more() > 0 { format!(" and {} more", listed.more()) } else { String::new() };
            eprintln!("warning: {} {what}: {}{more}", counted(listed.count, "text"), shown.join("; "));
        }
    };
    list("longer than the model accepts, cut at the end", &built.truncated);
    list("refused by the model", &built.refused);
    if let (Some(path), 1..) = (rejects, built.left_out) {
        let rows = counted(built.left_out, "row");
        eprintln!("{rows} left out ({}): see {}", report::counts(kinds), path.display());
    }
    let model = built.model_id.as_ref().map_or_else(
        || "no model (vector and product_id jobs only; `catalog publish --model ID` names one)".to_owned(),
        |model| format!("model {model}"),
    );
    eprintln!("{}: {} products, {} dimensions, {model}", output.display(), built.rows, built.dimension);
}

/// Where the catalog of an object is built: a name in this folder, the same again for a build that resumes.
fn local(name: &ObjectName) -> PathBuf {
    let file = name.key.rsplit('/').next().unwrap_or(&name.key);
    let hash = Sha256::digest(name.to_string());
    PathBuf::from(format!("{file}.for-s3-{}", &hex(&hash)[..8]))
}

/// Whether the build would write over a file that it reads, twice the same file, or what is no file.
fn check_written(args: &BuildArgs, output: &Path) -> Result<(), CliError> {
    let rejects = args.skip_invalid.as_deref();
    for (flag, path) in [("--output", Some(output)), ("--skip-invalid", rejects)] {
        let Some(path) = path else { continue };
        check_place(flag, path)?;
        args.input.check_written(flag, path)?;
    }
    // It is replaced, and nothing but a file should be.
    if std::fs::metadata(output).is_ok_and(|output| !output.is_file()) {
        return Err(CliError::Other(format!("--output {} is a pipe or a device: name a file", output.display())));
    }
    let Some(rejects) = rejects else { return Ok(()) };
    for (flag, other) in [("--output", Some(output)), ("--from", args.from.as_deref())] {
        if other.is_some_and(|other| other == rejects || is_same(other, rejects)) {
            return Err(CliError::Other(format!("--skip-invalid is {flag}, {}: name another file", rejects.display())));
        }
    }
    Ok(())
}

/// Whether there can be a file of this name.
fn check_place(flag: &str, path: &Path) -> Result<(), CliError> {
    let (shown, folder) = (path.display(), folder_of(path));
    let what = if path == Path::new("-") {
        "is not written to standard output: name a file".to_owned()
    } else if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        "is a folder: name a file in it".to_owned()
    } else if !folder.is_dir() {
        format!("cannot be written: there is no folder {}", folder.display())
    } else {
        return Ok(());
    };
    Err(CliError::Other(format!("{flag} {shown} {what}")))
}

/// The object that an output names; `None`: it is a path.
fn remote(output: &Path) -> Result<Option<ObjectName>, CliError> {
    match output.to_str() {
        Some(text) if text.contains("://") => match text.parse::<ObjectName>() {
            Ok(name) if !name.key.is_empty() && !name.key.ends_with('/') => Ok(Some(name)),
            Ok(_) => Err(CliError::Other("--output must name an object: s3://BUCKET/KEY.arrow".to_owned())),
            Err(what) => Err(CliError::Other(format!("--output {what}"))),
        },
        _ => Ok(None),
    }
}
