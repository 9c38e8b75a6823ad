//! From a source to an artifact: look at all rows, embed what has no vector yet, write the file.
//!
//! A source is read once to find what is wrong with it, before anything is paid for, and once more to build; rows that
//! all bring vectors are written the first time, unless they have attributes, whose types only all rows tell. Memory
//! holds no source and no catalog: about 100 bytes for each row, and the largest batch of rows that a file has. Vectors
//! that were paid for are kept in a journal beside the output until the artifact is whole, so that a build that was
//! stopped or throttled resumes where it was.

mod again;
#[cfg(test)]
mod attribute_tests;
mod batches;
mod draft;
mod from;
mod journal;
mod rejects;
#[cfg(test)]
mod tests;
mod vectors;

use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use arrow_schema::Field;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::CatalogError;
use super::artifact::Writer;
use super::source::{Attribute, FaultKind, Listed, Place, Product, RowFault, Source, Survey};
use crate::embed::{EmbedError, Embedder, Model};
use again::{read_again, read_to_the_end, row, write_again};
pub use batches::LeftOver;
use draft::Draft;
use journal::Journal;
pub(super) use rejects::Rejects;
pub(super) use vectors::Patient;
use vectors::{Failed, Origin, vector};

/// Texts that wait for the embedder at once: enough to fill the calls of a model that takes many texts.
const TEXTS_IN_FLIGHT: usize = 1_024;

/// What is to be built.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The artifact.
    pub output: PathBuf,
    /// What embeds texts that have no vector.
    pub model: Option<Model>,
    /// What is called for texts to come, and which model that is, if each row brings a vector; `None`: the artifact
    /// names no model.
    pub label: Option<(String, Option<String>)>,
    /// Where rows go that are left out because something is wrong with them; `None`: nothing is built then.
    pub rejects: Option<PathBuf>,
    /// An artifact whose vectors are taken over where the text is the same.
    pub from: Option<PathBuf>,
}

/// A build whose source has been looked at.
#[derive(Debug)]
pub struct Build {
    source: Arc<Source>,
    survey: Arc<Survey>,
    options: Options,
    draft: Draft,
    rejects: Option<Rejects>,
    /// All rows, if each brought a vector.
    written: Option<Writer<BufWriter<File>>>,
}

/// What became of a build.
#[derive(Debug)]
pub struct Built {
    /// Rows of the artifact.
    pub rows: u64,
    /// Length of its vectors.
    pub dimension: usize,
    /// The model that it names.
    pub model_id: Option<String>,
    /// Rows that were left out because something is wrong with them.
    pub left_out: u64,
    /// Texts that were cut because the model takes no longer ones.
    pub truncated: Listed,
    /// Texts that the model refuses.
    pub refused: Listed,
}

/// How far the embedding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Embedded {
    /// Vectors that a model made now.
    pub now: u64,
    /// Vectors that were there.
    pub before: u64,
}

impl Build {
    /// Looks at all rows of a source; `progress` gets how many so far. Blocks.
    ///
    /// # Errors
    /// The output cannot be written. What is wrong with the source is in [`survey`](Self::survey).
    pub fn survey_source(source: Source, options: Options, progress: &dyn Fn(u64)) -> Result<Self, CatalogError> {
        let draft = Draft::open(&options.output)?;
        let chars_max = options.model.as_ref().map(Model::chars_max);
        let (survey, (rejects, written)) = Survey::by_most(|expected| {
            let mut rejects = options.rejects.as_deref().map(Rejects::create).transpose()?;
            let (mut rows, mut written) = (0, None);
            // Whether each row so far brought a vector, and none is missing that would have to be there.
            let is_whole = Cell::new(!source.has_attributes());
            let mut take = |product: &Product| {
                rows += 1;
                progress(rows);
                let Some(vector) = product.embedding.as_ref().filter(|_| is_whole.get()) else {
                    is_whole.set(false);
                    return Ok(());
                };
                let writer = if let Some(writer) = &mut written {
                    writer
                } else {
                    // A model may refuse the length of a vector that is not as most are: that is said at the end.
                    let model_id = label(&options, vector.len()).ok().flatten().unwrap_or_default();
                    written.insert(draft.writer(vector.len(), &model_id, false, &[])?)
                };
                writer.push(&row(product, vector, None))
            };
            let mut reject = |place: Place, fault: &RowFault, what: &dyn Fn() -> String| {
                let Some(rejects) = &mut rejects else {
                    is_whole.set(false);
                    return Ok(());
                };
                rejects.push(&source.describe(place).to_string(), fault, &what())
            };
            let survey = Survey::of(&source, expected, chars_max, &mut take, &mut reject)?;
            Ok((survey, (rejects, written.filter(|_| is_whole.get()))))
        })?;
        if let (0, Some(dimension)) = (survey.without_vector, survey.dimension) {
            label(&options, dimension)?;
        }
        Ok(Self { source: Arc::new(source), survey: Arc::new(survey), options, draft, rejects, written })
    }

    /// What was found.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// What was looked at.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether a model has to be called, unless everything is known already.
    pub fn has_texts(&self) -> bool {
        self.survey.without_vector > 0
    }

    /// Writes the artifact, replacing an older one only when all is well. `progress` gets how many vectors there are.
    ///
    /// # Errors
    /// Something is wrong with the source and rows are not to be left out; a fault that outlasted every attempt (what was
    /// embedded until then is kept and used by the next build); the output cannot be written.
    pub async fn finish(self, embedder: Option<&Embedder>, progress: impl Fn(Embedded)) -> Result<Built, CatalogError> {
        self.check()?;
        let Self { source, survey, options, draft, mut rejects, written } = self;
        let mut built = Built {
            rows: survey.rows,
            dimension: survey.dimension.unwrap_or_default(),
            model_id: None,
            left_out: survey.faulty_rows,
            truncated: Listed::default(),
            refused: Listed::default(),
        };
        if let Some(writer) = written {
            built.model_id = label(&options, built.dimension)?;
            rejects.map(Rejects::finish).transpose()?;
            draft.keep(writer)?;
            return Ok(built);
        }
        let attributes = columns(&survey.attributes);
        if survey.without_vector == 0 {
            built.model_id = label(&options, built.dimension)?;
            let model_id = built.model_id.as_deref().unwrap_or_default();
            let mut writer = draft.writer(built.dimension, model_id, false, &attributes)?;
            let written = spawn_blocking(move || write_again(&source, &survey, &mut writer).map(|()| writer));
            let writer = read_to_the_end(written).await?;
            rejects.map(Rejects::finish).transpose()?;
            draft.keep(writer)?;
            return Ok(built);
        }
        let (Some(model), Some(embedder)) = (&options.model, embedder) else {
            return Err(CatalogError::Invalid("rows have no vector, and --model none calls no model".to_owned()));
        };
        built.dimension = model.dimension();
        built.model_id = Some(model.id().to_owned());
        let origin = Origin::new(embedder, open_journal(&options, model)?);
        let mut writer = draft.writer(model.dimension(), model.id(), true, &attributes)?;
        let (sender, mut receiver) = mpsc::channel::<(usize, Product)>(TEXTS_IN_FLIGHT);
        let (read, looked_at) = (Arc::clone(&source), Arc::clone(&survey));
        let reader = spawn_blocking(move || {
            read_again(&read, &looked_at, &mut |row, product| sender.blocking_send((row, product)).is_ok())
        });
        let products = stream::poll_fn(|context| receiver.poll_recv(context));
        let mut vectors = products
            .map(|(row, product)| {
                let origin = &origin;
                async move {
                    let vector = vector(&product, origin).await;
                    (row, product, vector)
                }
            })
            .buffered(TEXTS_IN_FLIGHT);
        let mut embedded = Embedded::default();
        while let Some((number, product, vector)) = vectors.next().await {
            let place = survey.place(number);
            let at =
                || format!("{}, product `{}`", source.describe(place), nearline_contract::clip(&product.product_id));
            match vector {
                Ok((embedding, hash, is_new)) => {
                    embedded.now += u64::from(is_new);
                    embedded.before += u64::from(hash.is_some() && !is_new);
                    if embedding.truncated {
                        built.truncated.push(place, at);
                    }
                    let row = row(&product, &embedding.vector, hash);
                    writer.push_with(&row, &survey.values(&product)?)?;
                    progress(embedded);
                }
                Err(Failed::Embed(EmbedError::Fault(fault))) => return Err(fault.context(&at()).into()),
                Err(Failed::Embed(EmbedError::Refused(why))) => {
                    let Some(rejects) = &mut rejects else {
                        let refused = EmbedError::Refused(why);
                        let rest = "--skip-invalid REJECTS.csv builds the rest, and pays for nothing twice";
                        return Err(CatalogError::Invalid(format!("{}: {refused} ({rest})", at())));
                    };
                    refuse(rejects, &source.describe(place), &product, &why)?;
                    built.refused.push(place, at);
                    built.rows -= 1;
                    built.left_out += 1;
                }
                Err(Failed::Catalog(error)) => return Err(error),
            }
        }
        drop(vectors);
        read_to_the_end(reader).await?;
        if built.rows == 0 {
            return Err(CatalogError::Invalid("the embedding model refuses all texts".to_owned()));
        }
        rejects.map(Rejects::finish).transpose()?;
        draft.keep(writer)?;
        origin.journal.into_inner().unwrap_or_else(PoisonError::into_inner).remove()?;
        Ok(built)
    }

    /// Whether what was found can be built.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), CatalogError> {
        let survey = &self.survey;
        if let Some(broken) = &survey.broken {
            return Err(wrong(broken.to_string()));
        }
        if survey.faulty_rows > 0 && self.rejects.is_none() {
            let what = format!("{} rows are not valid: nothing was written", survey.faulty_rows);
            return Err(wrong(what));
        }
        if survey.rows == 0 {
            return Err(wrong("it has no products".to_owned()));
        }
        if let (Some(model), Some(dimension)) = (&self.options.model, survey.dimension)
            && self.has_texts()
            && model.dimension() != dimension
        {
            return Err(wrong(format!(
                "its vectors have {dimension} numbers, but the model would make {} for the {} rows without one: set \
                 NEARLINE_EMBEDDING_DIMENSION={dimension}, or leave those rows out (--model none --skip-invalid FILE)",
                model.dimension(),
                survey.without_vector
            )));
        }
        Ok(())
    }
}

/// What was paid for before, and what an older artifact has.
fn open_journal(options: &Options, model: &Model) -> Result<Journal, CatalogError> {
    // First what may be refused: a journal that nothing was written to would stay behind.
    let old = options.from.as_deref().map(|old| from::vectors(old, model)).transpose()?;
    let mut journal = Journal::open(&options.output, model.id(), model.dimension())?;
    old.map_or(Ok(()), |old| journal.adopt(old))?;
    Ok(journal)
}

/// The columns of attributes in an artifact.
fn columns(attributes: &[Attribute]) -> Vec<Field> {
    let column = |attribute: &Attribute| Some(Field::new(&attribute.name, attribute.data_type.clone()?, true));
    attributes.iter().filter_map(column).collect()
}

/// A text that the model refuses, among the rows that are left out.
fn refuse(rejects: &mut Rejects, place: &impl Display, product: &Product, why: &str) -> Result<(), CatalogError> {
    let fault = RowFault { kind: FaultKind::Refused, column: None, message: format!("the model refuses it: {why}") };
    let what = [&product.product_id, &product.category, &product.text].map(String::as_str).join("\t");
    rejects.push(&place.to_string(), &fault, &what)
}

/// Something is wrong with the source.
fn wrong(what: String) -> CatalogError {
    CatalogError::Source { name: "the source".to_owned(), what }
}

/// The model that an artifact of own vectors names.
fn label(options: &Options, dimension: usize) -> Result<Option<String>, CatalogError> {
    let Some((called, family)) = &options.label else { return Ok(None) };
    let model = Model::new(called, family.as_deref(), dimension).map_err(|error| {
        wrong(format!(
            "its vectors have {dimension} numbers, and {error}; use `--model none` if they come from another model"
        ))
    })?;
    Ok(Some(model.id().to_owned()))
}
