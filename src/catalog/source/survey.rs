//! A look at all rows of a source before anything is paid for or written: what is wrong with them, all at once.
//!
//! Memory: about 60 bytes and the product id for each row; vectors and texts are not kept.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::DefaultHashBuilder;

use super::Source;
use super::attributes::{Attribute, Value, fit};
use super::found::{Found, Place};
use super::kinds::{Expected, Kinds};
use super::product::{FaultKind, Product, RowFault};
use crate::catalog::CatalogError;
use crate::catalog::folded::folded;
use crate::catalog::names::Names;

/// Faults that are listed; the rest is counted.
const LISTED_MAX: usize = 20;

/// Gets each row that becomes a product.
type Taken<'a> = dyn FnMut(&Product) -> Result<(), CatalogError> + 'a;
/// Gets each fault, with its place and the row as it was written.
type Rejected<'a> = dyn FnMut(Place, &RowFault, &dyn Fn() -> String) -> Result<(), CatalogError> + 'a;

/// Places with what is to be said of them.
#[derive(Debug, Default)]
pub struct Listed {
    /// The first 20.
    pub first: Vec<(Place, String)>,
    /// All.
    pub count: u64,
}

impl Listed {
    /// How many are not among the first.
    pub fn more(&self) -> u64 {
        self.count - self.first.len() as u64
    }

    pub(in crate::catalog) fn push(&mut self, place: Place, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < LISTED_MAX {
            self.first.push((place, what()));
        }
    }
}

/// What is in a source.
#[derive(Debug, Default)]
pub struct Survey {
    /// Rows that become products.
    pub rows: u64,
    /// Of those, rows without a vector.
    pub without_vector: u64,
    /// Length of the vectors, if there is one: of the first, or what most have.
    pub dimension: Option<usize>,
    /// What is wrong with rows.
    pub faults: Listed,
    /// How many faults of each kind.
    pub kinds: BTreeMap<FaultKind, u64>,
    /// Rows with a fault.
    pub faulty_rows: u64,
    /// Rows that repeat another one with the same content.
    pub identical: Listed,
    /// Texts that are longer than the model takes.
    pub long: Listed,
    /// Names of categories that look like another's, each with how many rows have it.
    pub alike: Vec<Vec<(String, u64)>>,
    /// What somebody should know of columns that are not read.
    pub notes: Vec<String>,
    /// The attributes, by their numbers.
    pub attributes: Vec<Attribute>,
    /// What makes the source unreadable from there on.
    pub broken: Option<CatalogError>,
    /// How many rows have a vector of each length.
    lengths: BTreeMap<usize, u64>,
    /// Whether values are not of the types that were decided.
    has_misfits: bool,
    products: Names,
    seen: Vec<Seen>,
    categories: Names,
    rows_by_category: Vec<u64>,
    /// Numbers of rows that become no product, ascending.
    left_out: Vec<u64>,
    hasher: DefaultHashBuilder,
}

/// A product that was found.
#[derive(Debug)]
struct Seen {
    place: Place,
    /// Of its content.
    digest: u64,
}

impl Survey {
    /// A survey by the length that most vectors have, and the types that most values have. `read` makes one by
    /// [`of`](Self::of), and all that it makes of the rows besides; it is called once more if the first vector's length is
    /// not that of most, or some values are not as most are.
    ///
    /// # Errors
    /// That of `read`.
    pub fn by_most<T>(
        mut read: impl FnMut(&Expected) -> Result<(Self, T), CatalogError>,
    ) -> Result<(Self, T), CatalogError> {
        let (survey, made) = read(&Expected::default())?;
        let count = |length: Option<usize>| length.and_then(|length| survey.lengths.get(&length)).copied();
        let most = survey.lengths.iter().max_by_key(|(_, rows)| **rows).map(|(&length, _)| length);
        let dimension = if count(most) <= count(survey.dimension) { survey.dimension } else { most };
        if dimension == survey.dimension && !survey.has_misfits {
            return Ok((survey, made));
        }
        let expected = Expected { dimension, attributes: survey.has_misfits.then(|| survey.attributes.clone()) };
        // The file it holds open is written again.
        drop((made, survey));
        read(&expected)
    }

    /// Reads a source of which this is known (otherwise vectors have the length of the first), for a model that takes
    /// texts of at most `chars_max` Unicode scalars. `taken` gets each row that becomes a product, `rejected` each
    /// fault with the row that it is of.
    ///
    /// # Errors
    /// That of `taken` or `rejected`; what is wrong with the source is in the survey.
    pub fn of(
        source: &Source,
        expected: &Expected,
        chars_max: Option<usize>,
        taken: &mut Taken<'_>,
        rejected: &mut Rejected<'_>,
    ) -> Result<Self, CatalogError> {
        let mut survey = Self { dimension: expected.dimension, ..Self::default() };
        let mut kinds = Kinds::default();
        let (mut number, mut failed) = (0, false);
        let read = source.read(&mut |place, found: Found<'_>| {
            let faults = match found.product {
                Ok(product) => match expected.check(&product).and_then(|()| {
                    kinds.see(place, &product);
                    survey.take(source, place, &product, chars_max).map_err(|fault| vec![fault])
                }) {
                    Ok(true) => {
                        number += 1;
                        kinds.count(&product);
                        return taken(&product).inspect_err(|_| failed = true);
                    }
                    Ok(false) => Vec::new(),
                    Err(faults) => faults,
                },
                Err(faults) => faults,
            };
            survey.left_out.push(number);
            number += 1;
            survey.faulty_rows += u64::from(!faults.is_empty());
            for fault in &faults {
                *survey.kinds.entry(fault.kind).or_default() += 1;
                survey.faults.push(place, || fault.to_string());
                rejected(place, fault, found.what).inspect_err(|_| failed = true)?;
            }
            Ok(())
        });
        match read {
            Ok(besides) => {
                let decided = kinds.decide(&besides.attributes, expected, &|place| source.describe(place).to_string());
                survey.notes = besides.notes;
                survey.notes.extend(decided.notes);
                (survey.attributes, survey.has_misfits) = (decided.attributes, decided.has_misfits);
                survey.broken = decided.broken;
            }
            Err(error) if failed => return Err(error),
            Err(error) => survey.broken = Some(error),
        }
        survey.find_alike();
        Ok(survey)
    }

    /// Whether the row with this number becomes a product. Numbers are asked for in order, from `next` on.
    pub(in crate::catalog) fn takes(&self, number: u64, next: &mut usize) -> bool {
        let left_out = self.left_out.get(*next) == Some(&number);
        *next += usize::from(left_out);
        !left_out
    }

    /// Checks that a row is still what it was when it was looked at.
    pub(in crate::catalog) fn is_same(&self, row: usize, product: &Product) -> bool {
        self.seen.get(row).is_some_and(|seen| seen.digest == self.digest(product))
    }

    /// The attributes of a product as the artifact keeps them, a value for each of its columns.
    ///
    /// # Errors
    /// One is of another type than when it was looked at.
    pub(in crate::catalog) fn values(&self, product: &Product) -> Result<Vec<Option<Value>>, CatalogError> {
        let columns = self.attributes.iter().enumerate();
        let columns = columns.filter_map(|(number, attribute)| Some((number, attribute.data_type.as_ref()?)));
        let value = |(number, kind)| match product.attributes.get(number) {
            Some(Some(value)) => fit(value, kind).map(Some).map_err(CatalogError::Invalid),
            _ => Ok(None),
        };
        columns.map(value).collect()
    }

    /// A row that became a product after all has a fault: it does not fit the catalog that is updated.
    pub(in crate::catalog) fn refuse(&mut self, row: usize, fault: &RowFault) {
        *self.kinds.entry(fault.kind).or_default() += 1;
        self.faulty_rows += 1;
        self.rows -= 1;
        self.faults.push(self.seen[row].place, || fault.to_string());
    }

    /// The place of a row that becomes a product.
    pub(in crate::catalog) fn place(&self, row: usize) -> Place {
        self.seen[row].place
    }

    /// Names of categories and how many rows have each, in the order of first appearance.
    pub fn categories(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.rows_by_category.iter().enumerate();
        all.filter(|(_, rows)| **rows > 0).map(|(number, &rows)| (self.categories.get(number as u32), rows))
    }

    /// `false`: the row repeats another one.
    fn take(
        &mut self,
        source: &Source,
        place: Place,
        product: &Product,
        chars_max: Option<usize>,
    ) -> Result<bool, RowFault> {
        let digest = self.digest(product);
        // Also of a row that is left out: its category may be what is wrong with it. A row of an update may have none.
        let category = (!product.category.is_empty()).then(|| self.categories.insert(&product.category) as usize);
        self.rows_by_category.resize(self.categories.len(), 0);
        if let Some(row) = self.products.find(&product.product_id) {
            let seen = &self.seen[row as usize];
            let (id, first) = (nearline_contract::clip(&product.product_id), source.describe(seen.place));
            if seen.digest == digest {
                self.identical.push(place, || format!("`{id}` is the same as {first}"));
                return Ok(false);
            }
            let message = format!("`{id}` is already used in {first}, with other content");
            return Err(RowFault::new(FaultKind::Repeated, "product_id", message));
        }
        if let Some(vector) = &product.embedding {
            *self.lengths.entry(vector.len()).or_default() += 1;
        }
        match (&product.embedding, self.dimension) {
            (Some(vector), Some(dimension)) if vector.len() != dimension => {
                let is_double = vector.len() == 2 * dimension;
                let hint = if is_double { " (64-bit floats in base64 or binary? 32-bit ones are read)" } else { "" };
                let message = format!("has {} numbers, most have {dimension}{hint}", vector.len());
                return Err(RowFault::new(FaultKind::OtherDimension, "embedding", message));
            }
            (Some(vector), None) => self.dimension = Some(vector.len()),
            (None, _) if product.text.is_empty() => {}
            (None, _) => {
                self.without_vector += 1;
                let chars = product.text.chars().count();
                if let Some(most) = chars_max.filter(|&most| chars > most) {
                    let id = nearline_contract::clip(&product.product_id);
                    self.long
                        .push(place, || format!("the text of `{id}` has {chars} characters, the model accepts {most}"));
                }
            }
            (Some(_), Some(_)) => {}
        }
        self.rows += 1;
        self.products.insert(&product.product_id);
        self.seen.push(Seen { place, digest });
        if let Some(category) = category {
            self.rows_by_category[category] += 1;
        }
        Ok(true)
    }

    fn digest(&self, product: &Product) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let Product { product_id, category, text, title, embedding, attributes, change } = product;
        (product_id, category, text, title, change).hash(&mut hasher);
        for attribute in attributes.iter().enumerate().filter(|(_, value)| value.is_some()) {
            attribute.hash(&mut hasher);
        }
        let (pairs, last) = embedding.as_deref().unwrap_or_default().as_chunks::<2>();
        for [one, other] in pairs {
            hasher.write_u64(u64::from(one.to_bits()) << 32 | u64::from(other.to_bits()));
        }
        for number in last {
            hasher.write_u32(number.to_bits());
        }
        hasher.finish()
    }

    fn find_alike(&mut self) {
        let mut by_form: HashMap<String, Vec<usize>> = HashMap::new();
        for number in 0..self.rows_by_category.len() {
            by_form.entry(folded(self.categories.get(number as u32))).or_default().push(number);
        }
        let mut alike: Vec<Vec<usize>> = by_form.into_values().filter(|numbers| numbers.len() > 1).collect();
        alike.sort();
        let named = |number: usize| {
            (nearline_contract::clip(self.categories.get(number as u32)), self.rows_by_category[number])
        };
        self.alike = alike.into_iter().map(|numbers| numbers.into_iter().map(named).collect()).collect();
    }
}
