//! A source compared with the catalog that it is to change: which products are new, which are different, and which of them
//! need a vector. What is the same is left out, so that a whole feed makes a small update.

use std::collections::BTreeSet;
use std::path::Path;

use arrow_schema::{DataType, Field};
use nearline_contract::clip;
use sha2::{Digest, Sha256};

use super::base::Base;
use super::known::{Known, KnownProduct};
use super::update::TextHash;
use super::write::{Row, Written};
use crate::catalog::CatalogError;
use crate::catalog::build::Rejects;
use crate::catalog::source::{
    Change, Expected, FaultKind, Number, Place, Product, RowFault, Source, Survey, Value, Wanted,
};

/// What a source changes.
#[derive(Debug, Default)]
pub struct Difference {
    pub(super) rows: Vec<Row>,
    /// Texts that are to be embedded, by the row that the vector is of.
    pub(super) texts: Vec<Text>,
    /// Products that are new.
    pub added: u64,
    /// Products that are replaced.
    pub replaced: u64,
    /// Products that are deleted.
    pub deleted: u64,
    /// Products that are as they were.
    pub unchanged: u64,
    /// Products that are to be deleted and are not there.
    pub not_there: u64,
    /// Products that the catalog has afterwards.
    pub rows_after: u64,
    /// Texts that the model refused, whose rows are left out.
    pub refused: u64,
    /// Rows that are left out.
    pub(super) rejects: Option<Rejects>,
    pub(super) left_out: u64,
}

/// What comes of a comparison.
#[derive(Debug)]
pub enum Compared {
    /// What the source changes, and what is wrong with it.
    Whole(Box<(Survey, Difference)>),
    /// The source brings vectors of products: those that these rows of the artifact have must be
    /// [fetched](crate::catalog::CatalogStore::fetch_vectors) first.
    NeedsVectors(BTreeSet<u32>),
}

/// A text that is to be embedded.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) row: usize,
    pub(super) content: String,
    pub(super) sha256: TextHash,
    /// Whether its product is new.
    pub(super) is_new: bool,
}

impl Difference {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the list of rows that are left out, if there is to be one; how many they are.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_rejects(&mut self) -> Result<u64, CatalogError> {
        self.rejects.take().map(Rejects::finish).transpose()?;
        Ok(self.left_out)
    }

    /// How many texts have to be embedded.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }
}

/// A source as an update of a catalog with these attributes.
pub(super) fn source_of(source: Source, attributes: &[Field]) -> Source {
    source.of_update(Wanted::of_catalog(attributes))
}

/// Compares a source, if there is one, and products that are to be deleted with a catalog. Blocks.
///
/// # Errors
/// Rejects cannot be written; a product that is to be deleted is in the source. What is wrong with rows is in the survey.
pub(super) fn compare(
    source: Option<&Source>,
    delete: &BTreeSet<String>,
    known: &Known<'_>,
    chars_max: Option<usize>,
    progress: &dyn Fn(u64),
    rejects: Option<&Path>,
) -> Result<Compared, CatalogError> {
    let fields = known.artifact.attributes().fields();
    let expected = Expected::of_catalog(known.artifact.dimension(), &fields);
    let mut comparison =
        Comparison { known, fields: &fields, difference: Difference::default(), unread: BTreeSet::new() };
    let (mut faults, mut row) = (Vec::new(), 0);
    let mut rejects = rejects.map(Rejects::create).transpose()?;
    let mut reject = |place: Place, fault: &RowFault, what: &dyn Fn() -> String| match (&mut rejects, source) {
        (Some(rejects), Some(source)) => rejects.push(&source.describe(place).to_string(), fault, &what()),
        _ => Ok(()),
    };
    let mut take = |product: &Product| {
        if delete.contains(&product.product_id) {
            let id = clip(&product.product_id);
            return Err(CatalogError::Invalid(format!(
                "product `{id}` is in the source and among those to be deleted"
            )));
        }
        if let Err(fault) = comparison.take(product, &expected)? {
            faults.push((row, fault, clip(&product.product_id)));
        }
        row += 1;
        progress(row as u64);
        Ok(())
    };
    let mut survey = match source {
        Some(source) => Survey::of(source, &expected, chars_max, &mut take, &mut reject)?,
        None => Survey::default(),
    };
    for (row, fault, id) in faults {
        survey.refuse(row, &fault);
        reject(survey.place(row), &fault, &|| id.clone())?;
    }
    if !comparison.unread.is_empty() {
        return Ok(Compared::NeedsVectors(comparison.unread));
    }
    for id in delete {
        comparison.delete(id);
    }
    let mut difference = comparison.difference;
    difference.left_out = survey.faulty_rows;
    difference.rejects = rejects;
    difference.rows_after = known.rows() as u64 + difference.added - difference.deleted;
    Ok(Compared::Whole(Box::new((survey, difference))))
}

struct Comparison<'a> {
    known: &'a Known<'a>,
    fields: &'a [Field],
    difference: Difference,
    /// Rows of the artifact whose vectors are to be compared and were not read. Once there is one, no more is done than to
    /// find the others.
    unread: BTreeSet<u32>,
}

impl Comparison<'_> {
    fn delete(&mut self, product_id: &str) {
        if self.known.get(product_id).is_none() {
            self.difference.not_there += 1;
            return;
        }
        self.difference.deleted += 1;
        self.difference.rows.push(Row { product_id: product_id.to_owned(), content: None });
    }

    /// The inner error is the row's own.
    fn take(&mut self, product: &Product, expected: &Expected) -> Result<Result<(), RowFault>, CatalogError> {
        let change = product.change.clone().unwrap_or_default();
        if change.deletes {
            self.delete(&product.product_id);
            return Ok(Ok(()));
        }
        let before = self.known.get(&product.product_id);
        if let (Some(_), Some(KnownProduct { digest: Err(row), .. })) = (&product.embedding, &before) {
            self.unread.insert(*row);
        }
        if !self.unread.is_empty() {
            return Ok(Ok(()));
        }
        if let (None, Some(fault)) = (&before, lacks(product)) {
            return Ok(Err(fault));
        }
        let written = written(product, &change, before.as_ref(), expected.values(product)?);
        let sha256: TextHash = Sha256::digest(&product.text).into();
        let (vector, needs_text) = match (&product.embedding, &before) {
            (Some(vector), Some(before)) if before.digest == Ok(self.known.digest(vector)) => (None, false),
            (Some(vector), _) => (Some(vector.clone()), false),
            (None, before) => {
                let is_known = before.as_ref().is_some_and(|before| before.text_sha256 == Some(sha256));
                (None, !product.text.is_empty() && !is_known)
            }
        };
        let keeps_vector = vector.is_none() && !needs_text;
        let difference = &mut self.difference;
        match &before {
            Some(before) if keeps_vector && is_same(self.fields, before, &written) => {
                difference.unchanged += 1;
                return Ok(Ok(()));
            }
            Some(_) => difference.replaced += 1,
            None => difference.added += 1,
        }
        if needs_text {
            let (row, is_new) = (difference.rows.len(), before.is_none());
            difference.texts.push(Text { row, content: product.text.clone(), sha256, is_new });
        }
        let content = Some(Written { vector, ..written });
        difference.rows.push(Row { product_id: product.product_id.clone(), content });
        Ok(Ok(()))
    }
}

/// What a new product needs and does not have.
fn lacks(product: &Product) -> Option<RowFault> {
    let (name, what) = if product.category.is_empty() {
        ("category", "category")
    } else if product.text.is_empty() && product.embedding.is_none() {
        ("text", "text or embedding")
    } else {
        return None;
    };
    let id = clip(&product.product_id);
    Some(RowFault::new(
        FaultKind::Missing,
        name,
        format!("is missing: `{id}` is new to the catalog, and needs a {what}"),
    ))
}

/// A row that replaces its product whole: what it has no column for is as it was.
fn written(
    product: &Product,
    change: &Change,
    before: Option<&KnownProduct<'_>>,
    values: Vec<Option<Value>>,
) -> Written {
    let mut attributes = match before {
        Some(KnownProduct { attributes: (attributes, row), .. }) => attributes.values(*row),
        None => vec![None; values.len()],
    };
    for (number, value) in values.into_iter().enumerate() {
        if change.attributes.contains(&number) {
            attributes[number] = value;
        }
    }
    let category = if product.category.is_empty() {
        before.map(|before| before.category).unwrap_or_default().to_owned()
    } else {
        product.category.clone()
    };
    let title = match before {
        Some(before) if change.keeps_title => before.title.map(str::to_owned),
        _ => product.title.clone(),
    };
    Written { category, title, vector: None, text_sha256: None, attributes }
}

fn is_same(fields: &[Field], before: &KnownProduct<'_>, now: &Written) -> bool {
    let (attributes, row) = before.attributes;
    let title = before.title.filter(|title| !title.is_empty());
    let mut values = fields.iter().zip(attributes.values(row)).zip(&now.attributes);
    before.category == now.category
        && title == now.title.as_deref()
        && values.all(|((field, before), now)| match (&before, now) {
            (Some(before), Some(now)) => is_same_value(field.data_type(), before, now),
            (before, now) => before.is_none() && now.is_none(),
        })
}

/// Whether two values are the same as the catalog keeps them.
fn is_same_value(kept: &DataType, one: &Value, other: &Value) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Empty => true,
        Value::Texts(texts) => texts.is_empty(),
        Value::Numbers(numbers) => numbers.is_empty(),
        _ => false,
    };
    let is_same_number = |kept: &DataType, one: &Number, other: &Number| match (kept, one, other) {
        (DataType::Float32, Number::Float(one), Number::Float(other)) => is_same_float(*one, *other),
        (_, one, other) => one == other,
    };
    match (one, other) {
        (one, other) if is_empty(one) || is_empty(other) => is_empty(one) && is_empty(other),
        (Value::Number(one), Value::Number(other)) => is_same_number(kept, one, other),
        (Value::Numbers(one), Value::Numbers(other)) => {
            let DataType::List(item) = kept else { return false };
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| is_same_number(item.data_type(), one, other))
        }
        (one, other) => one == other,
    }
}

/// Whether two numbers are the same once they have 32 bits; zero has no sign.
fn is_same_float(one: f64, other: f64) -> bool {
    (one as f32 + 0.0).to_bits() == (other as f32 + 0.0).to_bits()
}
