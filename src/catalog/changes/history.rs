//! What updates make of an artifact's products, applied in order.
//!
//! The order of the products is that of the artifact; a product with a new vector comes after all others, as one that is
//! new does. One that keeps its vector keeps its place, too.

use std::collections::HashMap;
use std::sync::Arc;

use nearline_contract::clip;

use super::base::Base;
use super::update::{Content, Update};

/// What is different from the artifact.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::catalog) struct Changes {
    /// Rows of the artifact that were deleted or replaced, ascending.
    pub(in crate::catalog) dead: Vec<u32>,
    /// Rows beside the artifact's, by their places.
    pub(in crate::catalog) rows: Vec<ChangedRow>,
}

/// A row that is not the artifact's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::catalog) struct ChangedRow {
    /// The update that says what is in it, by its number,
    pub(in crate::catalog) update: usize,
    /// and the row there.
    pub(in crate::catalog) row: u32,
    pub(in crate::catalog) vector: VectorOf,
    pub(in crate::catalog) place: Place,
}

/// Where a vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::catalog) enum VectorOf {
    /// The artifact's, of this row.
    Base(u32),
    /// Of an update, by its number and the vector's.
    Update { update: usize, row: u32, vector: u32 },
}

/// Where a row stands among all, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::catalog) enum Place {
    /// Where this row of the artifact stood.
    Base(u32),
    /// After all rows of the artifact, by the row that brought its vector.
    After { update: usize, row: u32 },
}

/// An update that cannot be applied.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::catalog) struct Misfit {
    /// Its number.
    pub(in crate::catalog) update: usize,
    /// Why, naming row and column.
    pub(in crate::catalog) what: String,
}

/// A product that updates name.
struct Named {
    /// Its row in the artifact.
    base: Option<u32>,
    /// Its vector, and where it stands; `None`: there is no such product.
    vector: Option<(VectorOf, Place)>,
    /// Its newest content: the update, and the row there.
    content: (usize, u32),
}

impl Changes {
    /// Applies updates in order to an artifact with so many rows.
    ///
    /// # Errors
    /// A row keeps the vector of a product that is not there, or no product is left.
    pub(in crate::catalog) fn of(base: &impl Base, rows: usize, updates: &[Arc<Update>]) -> Result<Self, Misfit> {
        let mut products: HashMap<&str, Named> = HashMap::new();
        for (number, update) in updates.iter().enumerate() {
            for (row, content) in (0..).zip(&update.contents) {
                let id = update.product_id(row);
                let named = products.entry(id).or_insert_with(|| {
                    let base = base.find(id);
                    Named { base, vector: base.map(|row| (VectorOf::Base(row), Place::Base(row))), content: (0, 0) }
                });
                match content {
                    None => named.vector = None,
                    Some(Content { vector: Some(vector), .. }) => {
                        let vector = VectorOf::Update { update: number, row, vector: *vector };
                        named.vector = Some((vector, Place::After { update: number, row }));
                    }
                    Some(_) if named.vector.is_some() => {}
                    Some(_) => return Err(Misfit { update: number, what: no_vector(row, id) }),
                }
                named.content = (number, row);
            }
        }
        let row = |named: &Named| {
            let ((update, row), (vector, place)) = (named.content, named.vector?);
            Some(ChangedRow { update, row, vector, place })
        };
        let mut changes = Self {
            dead: products.values().filter_map(|named| named.base).collect(),
            rows: products.values().filter_map(row).collect(),
        };
        changes.dead.sort_unstable();
        changes.rows.sort_unstable_by_key(|row| row.place);
        if rows + changes.rows.len() == changes.dead.len() {
            let update = updates.len().saturating_sub(1);
            return Err(Misfit { update, what: "no product is left, and a catalog has at least one".to_owned() });
        }
        Ok(changes)
    }
}

fn no_vector(row: u32, id: &str) -> String {
    format!("row {row}, column embedding: is null, but there is no product `{}` whose vector it could keep", clip(id))
}
