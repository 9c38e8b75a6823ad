//! Of which kinds the attributes of a source are: what all its rows say, or what was found out before.

use arrow_schema::Field;
use nearline_contract::clip;

use super::attributes::{Attribute, Entry, Tally, Value, fit};
use super::found::Place;
use super::product::{FaultKind, Product, RowFault};
use crate::catalog::CatalogError;
use crate::catalog::ipc::{invalid, type_name};

/// What is known of a source before it is looked at.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Length of the vectors.
    pub(super) dimension: Option<usize>,
    /// The attributes and their types; values that are of another are faults.
    pub(super) attributes: Option<Vec<Attribute>>,
}

impl Expected {
    /// What an update must be of a catalog with vectors of this length and these attributes.
    pub(in crate::catalog) fn of_catalog(dimension: usize, attributes: &[Field]) -> Self {
        let attribute = |field: &Field| Attribute {
            name: field.name().clone(),
            data_type: Some(field.data_type().clone()),
            rows: 0,
        };
        Self { dimension: Some(dimension), attributes: Some(attributes.iter().map(attribute).collect()) }
    }

    /// The attributes of a product as they are expected, one for each.
    ///
    /// # Errors
    /// One is of another type.
    pub(in crate::catalog) fn values(&self, product: &Product) -> Result<Vec<Option<Value>>, CatalogError> {
        let value =
            |(number, attribute): (usize, &Attribute)| match (product.attributes.get(number), &attribute.data_type) {
                (Some(Some(value)), Some(kind)) => fit(value, kind).map(Some).map_err(invalid),
                _ => Ok(None),
            };
        self.attributes.iter().flatten().enumerate().map(value).collect()
    }

    /// Whether the attributes of a product are of the expected types.
    ///
    /// # Errors
    /// What is not.
    pub(super) fn check(&self, product: &Product) -> Result<(), Vec<RowFault>> {
        let Some(expected) = &self.attributes else { return Ok(()) };
        let mut faults = Vec::new();
        for (attribute, value) in expected.iter().zip(&product.attributes) {
            if let (Some(kind), Some(value)) = (&attribute.data_type, value)
                && let Err(what) = fit(value, kind)
            {
                faults.push(RowFault::new(FaultKind::WrongType, &attribute.name, what));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// What the values of each attribute are so far.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    tallies: Vec<Tally>,
    /// Products that have each.
    rows: Vec<u64>,
}

/// What became of the attributes.
pub(super) struct Decision {
    pub(super) attributes: Vec<Attribute>,
    /// Whether values are not of the types that were decided, and were not expected to be.
    pub(super) has_misfits: bool,
    pub(super) notes: Vec<String>,
    /// Numbers of a table cannot be told from those that were expected.
    pub(super) broken: Option<CatalogError>,
}

impl Kinds {
    /// Looks at a row, whether it becomes a product or not: what is wrong with it may be something else.
    pub(super) fn see(&mut self, place: Place, product: &Product) {
        if self.tallies.len() < product.attributes.len() {
            self.tallies.resize_with(product.attributes.len(), Tally::default);
        }
        for (tally, value) in self.tallies.iter_mut().zip(&product.attributes) {
            if let Some(value) = value {
                tally.see(place, value);
            }
        }
    }

    /// Counts the attributes of a product.
    pub(super) fn count(&mut self, product: &Product) {
        if self.rows.len() < product.attributes.len() {
            self.rows.resize(product.attributes.len(), 0);
        }
        for (rows, value) in self.rows.iter_mut().zip(&product.attributes) {
            *rows += u64::from(value.is_some());
        }
    }

    /// The types of all attributes, as they were expected if they were.
    pub(super) fn decide(
        mut self,
        entries: &[Entry],
        expected: &Expected,
        describe: &dyn Fn(Place) -> String,
    ) -> Decision {
        self.tallies.resize_with(entries.len(), Tally::default);
        let mut decision = Decision { attributes: Vec::new(), has_misfits: false, notes: Vec::new(), broken: None };
        for (number, (entry, tally)) in entries.iter().zip(&self.tallies).enumerate() {
            let decided = tally.decide(entry);
            let before = expected.attributes.as_ref().and_then(|attributes| attributes.get(number));
            decision.has_misfits |= before.is_none() && decided.has_misfits;
            if let Some(kept) = before.and_then(|before| before.data_type.as_ref())
                && let Some(other) = entry.other_moment(kept)
            {
                let (name, is, kept) = (clip(&entry.name), type_name(other), type_name(kept));
                decision.broken =
                    Some(invalid(format!("column {name} is {is}, the catalog keeps it as {kept}: cast it")));
            }
            let place = |place| format!(", in {}", describe(place));
            decision
                .notes
                .extend(decided.note.map(|note| note.what + &note.place.map_or(String::new(), place) + &note.cure));
            decision.attributes.push(Attribute {
                name: entry.name.clone(),
                data_type: before.map_or(decided.data_type, |before| before.data_type.clone()),
                rows: self.rows.get(number).copied().unwrap_or_default(),
            });
        }
        decision
    }
}
