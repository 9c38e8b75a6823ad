//! Of which kinds the attributes of a source are: what all its rows say, or what was found out before.

use super::attributes::{Attribute, Entry, Tally, fit};
use super::found::Place;
use super::product::{FaultKind, Product, RowFault};

/// What is known of a source before it is looked at.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Length of the vectors.
    pub(super) dimension: Option<usize>,
    /// The attributes and their types; values that are of another are faults.
    pub(super) attributes: Option<Vec<Attribute>>,
}

impl Expected {
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
        let mut decision = Decision { attributes: Vec::new(), has_misfits: false, notes: Vec::new() };
        for (number, (entry, tally)) in entries.iter().zip(&self.tallies).enumerate() {
            let decided = tally.decide(entry);
            let before = expected.attributes.as_ref().and_then(|attributes| attributes.get(number));
            decision.has_misfits |= before.is_none() && decided.has_misfits;
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
