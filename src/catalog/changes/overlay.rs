//! What was changed since a catalog's artifact was built, ready to be searched beside it: the artifact's own rows stay
//! where they are in memory, and are shared by all catalogs that are made of them.

use std::sync::Arc;

use ndarray::Array2;
use nearline_search::{Changes as Changed, Index, IndexError};

use super::history::{ChangedRow, Changes, Place, VectorOf};
use super::update::Update;
use crate::catalog::attributes::Attributes;
use crate::catalog::names::Names;

/// Changed rows, numbered after the artifact's.
#[derive(Debug)]
pub(in crate::catalog) struct Overlay {
    updates: Vec<Arc<Update>>,
    rows: Vec<ChangedRow>,
    /// Of the changed rows, by their numbers among these.
    products: Names,
    attributes: Attributes,
    /// All that have a product, by their numbers in the index.
    categories: Names,
    rows_by_category: Vec<u32>,
    index: Index,
    /// Rows of the artifact.
    base_rows: u32,
}

/// What the artifact has, as far as an overlay is made of it.
#[derive(Debug, Clone, Copy)]
pub(in crate::catalog) struct Below<'a> {
    pub(in crate::catalog) index: &'a Index,
    pub(in crate::catalog) categories: &'a Names,
    pub(in crate::catalog) rows_by_category: &'a [u32],
    pub(in crate::catalog) attributes: &'a Attributes,
}

impl Overlay {
    /// What updates made of an artifact.
    ///
    /// # Errors
    /// More rows than can be searched.
    pub(in crate::catalog) fn new(
        below: Below<'_>,
        changes: Changes,
        updates: Vec<Arc<Update>>,
    ) -> Result<Self, IndexError> {
        let Changes { dead, rows } = changes;
        let base_rows = below.index.rows() as u32;
        let (mut products, mut added) = (Names::default(), Names::default());
        let known_count = below.categories.len() as u32;
        let mut vectors = Vec::with_capacity(rows.len() * below.index.dimension());
        let mut categories = Vec::with_capacity(rows.len());
        for changed in &rows {
            let update = &updates[changed.update];
            products.insert(update.product_id(changed.row));
            let category = update.category(changed.row);
            let known = below.categories.find(category);
            categories.push(known.unwrap_or_else(|| known_count + added.insert(category)));
            match changed.vector {
                VectorOf::Base(row) => vectors.extend(below.index.row(row)),
                VectorOf::Update { update, vector, .. } => vectors.extend_from_slice(updates[update].vector(vector)),
            }
        }
        let mut counts = below.rows_by_category.to_vec();
        counts.resize(counts.len() + added.len(), 0);
        for &row in &dead {
            counts[below.index.category_of(row) as usize] -= 1;
        }
        for &known in &categories {
            counts[known as usize] += 1;
        }
        let places = rows.iter().map_while(|changed| match changed.place {
            Place::Base(row) => Some(row),
            Place::After { .. } => None,
        });
        let places = places.collect();
        let vectors = Array2::from_shape_vec((rows.len(), below.index.dimension()), vectors)
            .expect("each row has a vector of the artifact's dimension");
        let index = Index::changed(below.index, Changed { dead, places, vectors, categories })?;
        let (mut named, mut rows_by_category) = (Names::default(), Vec::with_capacity(index.categories()));
        for category in 0..index.categories() as u32 {
            let known = index.known_category(category);
            named.insert(match known.checked_sub(known_count) {
                Some(added_number) => added.get(added_number),
                None => below.categories.get(known),
            });
            rows_by_category.push(counts[known as usize]);
        }
        let tables: Vec<&Attributes> = updates.iter().map(|update| &update.attributes).collect();
        let picks: Vec<(usize, u32)> = rows.iter().map(|changed| (changed.update, changed.row)).collect();
        let attributes = below.attributes.gather(&tables, &picks);
        Ok(Self { updates, rows, products, attributes, categories: named, rows_by_category, index, base_rows })
    }

    pub(in crate::catalog) fn index(&self) -> &Index {
        &self.index
    }

    pub(in crate::catalog) fn categories(&self) -> &Names {
        &self.categories
    }

    pub(in crate::catalog) fn rows_by_category(&self) -> &[u32] {
        &self.rows_by_category
    }

    pub(in crate::catalog) fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    pub(in crate::catalog) fn updates(&self) -> &[Arc<Update>] {
        &self.updates
    }

    /// How many rows were changed, those that are gone not counted.
    pub(in crate::catalog) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many rows the artifact has.
    pub(in crate::catalog) fn base_rows(&self) -> u32 {
        self.base_rows
    }

    /// The row of a product; `base`: its row in the artifact.
    pub(in crate::catalog) fn row(&self, product_id: &str, base: Option<u32>) -> Option<u32> {
        let changed = self.products.find(product_id).map(|number| self.base_rows + number);
        changed.or(base.filter(|&row| self.index.is_live(row)))
    }

    /// The number of a row among the changed ones; `None`: it is the artifact's.
    pub(in crate::catalog) fn number(&self, row: u32) -> Option<u32> {
        row.checked_sub(self.base_rows)
    }

    pub(in crate::catalog) fn product_id(&self, number: u32) -> &str {
        self.products.get(number)
    }

    pub(in crate::catalog) fn title(&self, number: u32) -> Option<&str> {
        let ChangedRow { update, row, .. } = self.rows[number as usize];
        self.updates[update].title(row)
    }

    /// Bits of the artifact's rows and of the changed ones as one.
    pub(in crate::catalog) fn joined(&self, mut base: Vec<u64>, changed: &[u64]) -> Vec<u64> {
        let rows = self.base_rows as usize + self.rows.len();
        base.resize(rows.div_ceil(64), 0);
        let (start, shift) = (self.base_rows as usize / 64, self.base_rows % 64);
        for (number, &word) in changed.iter().enumerate() {
            base[start + number] |= word << shift;
            if let (1.., Some(next)) = (shift, base.get_mut(start + number + 1)) {
                *next |= word >> (64 - shift);
            }
        }
        base
    }

    /// Bytes that it keeps in memory beside the artifact's.
    pub(in crate::catalog) fn memory_bytes(&self) -> usize {
        self.index.unshared_bytes()
            + self.products.memory_bytes()
            + self.categories.memory_bytes()
            + self.attributes.memory_bytes()
            + self.rows.capacity() * size_of::<ChangedRow>()
            + self.updates.iter().map(|update| update.memory_bytes()).sum::<usize>()
    }
}
