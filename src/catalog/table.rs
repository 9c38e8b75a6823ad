//! The columns of an artifact as a catalog keeps them: strings in arenas, vectors one after the other.

use nearline_search::Numbers;

use super::attributes::Attributes;
use super::error::CatalogError;
use super::names::{Column, Names};
use super::rows::Rows;

/// The columns of an artifact.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) products: Names,
    pub(super) categories: Names,
    /// For each row the number of its category.
    pub(super) category_of: Vec<u32>,
    /// `None`: no row has one.
    pub(super) titles: Option<Column>,
    /// Rows x dimension, row-major.
    pub(super) vectors: Numbers,
    pub(super) dimension: usize,
    /// What filters look at; of as many rows, or of none.
    pub(super) attributes: Attributes,
}

impl Table {
    /// Room for so many rows.
    pub(super) fn with_rows(rows: usize, dimension: usize) -> Self {
        Self {
            products: Names::with_capacity(rows),
            category_of: Vec::with_capacity(rows),
            dimension,
            ..Self::default()
        }
    }

    /// Takes the rows of an artifact over.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`]: a product appears twice.
    pub(super) fn of(rows: Rows) -> Result<Self, CatalogError> {
        let mut table = Self::with_rows(rows.product_ids.len(), rows.dimension);
        rows.product_ids.iter().try_for_each(|id| table.push_product(id))?;
        rows.categories.iter().for_each(|category| table.push_category(category));
        (0..).zip(&rows.titles).for_each(|(row, title)| table.push_title(row, title.as_deref()));
        Ok(Self { vectors: rows.vectors.into(), attributes: rows.attributes, ..table.shrunk() })
    }

    /// The id of the next row.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`]: another row has it.
    pub(super) fn push_product(&mut self, id: &str) -> Result<(), CatalogError> {
        let row = self.products.len();
        let found = self.products.insert(id);
        if found as usize == row { Ok(()) } else { Err(CatalogError::repeated(id, row, found)) }
    }

    /// The category of the next row.
    pub(super) fn push_category(&mut self, category: &str) {
        self.category_of.push(self.categories.insert(category));
    }

    /// The title of a row; rows come in order, and those without one may be left out.
    pub(super) fn push_title(&mut self, row: usize, title: Option<&str>) {
        if let Some(title) = title {
            let titles = self.titles.get_or_insert_default();
            titles.extend_to(row);
            titles.push(title);
        }
    }

    /// Without the room that strings grew into.
    pub(super) fn shrunk(mut self) -> Self {
        let rows = self.products.len();
        self.products.shrink();
        self.categories.shrink();
        if let Some(titles) = &mut self.titles {
            titles.extend_to(rows);
            titles.shrink();
        }
        self
    }
}
