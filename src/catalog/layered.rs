//! The attributes of a catalog: those of its artifact, and of rows that were changed since.

use std::sync::atomic::AtomicBool;

use nearline_contract::filter::Filter;
use nearline_contract::{Attribute, JobError};

use super::attributes::{AttributeSummary, Attributes, RowFilter as LayerFilter};
use super::changes::Overlay;

/// The attributes of all products of a catalog.
#[derive(Debug, Clone, Copy)]
pub struct CatalogAttributes<'a> {
    pub(super) base: &'a Attributes,
    pub(super) overlay: Option<&'a Overlay>,
}

/// A filter in terms of the attributes of one catalog.
#[derive(Debug, Clone)]
pub struct RowFilter {
    base: LayerFilter,
    changed: Option<LayerFilter>,
}

impl<'a> CatalogAttributes<'a> {
    /// The number of an attribute. `path`: where it is asked for, for the message.
    ///
    /// # Errors
    /// As [`Attributes::find`].
    pub fn find(&self, name: &str, path: &str) -> Result<usize, JobError> {
        self.base.find(name, path)
    }

    /// The value that a row has of an attribute.
    ///
    /// # Panics
    /// If there is no such attribute or row.
    pub fn get(&self, attribute: usize, row: u32) -> Option<Attribute> {
        match self.overlay.and_then(|overlay| Some((overlay.attributes(), overlay.number(row)?))) {
            Some((changed, number)) => changed.get(attribute, number),
            None => self.base.get(attribute, row),
        }
    }

    /// A filter in terms of these attributes.
    ///
    /// # Errors
    /// As [`Attributes::resolve`].
    pub fn resolve(&self, filter: &Filter) -> Result<RowFilter, JobError> {
        let base = self.base.resolve(filter)?;
        let changed = self.overlay.map(|overlay| overlay.attributes().resolve(filter)).transpose()?;
        Ok(RowFilter { base, changed })
    }

    /// A bit for each row: 1 if it passes. `filter` must be of these attributes. Once `cancelled` is true the rest is not
    /// looked at.
    pub fn passing(&self, filter: &RowFilter, cancelled: &AtomicBool) -> Vec<u64> {
        let base = self.base.passing(&filter.base, cancelled);
        match (self.overlay, &filter.changed) {
            (Some(overlay), Some(changed)) => overlay.joined(base, &overlay.attributes().passing(changed, cancelled)),
            _ => base,
        }
    }

    /// What is in each of them. Looks at all rows.
    pub fn summaries(&self) -> Vec<AttributeSummary<'a>> {
        let Some(overlay) = self.overlay else { return self.base.summaries() };
        let live = (0..overlay.base_rows()).filter(|&row| overlay.index().is_live(row)).map(|row| (0, row));
        let picks: Vec<(usize, u32)> = live.chain((0..overlay.rows() as u32).map(|row| (1, row))).collect();
        let all = self.base.gather(&[self.base, overlay.attributes()], &picks);
        self.base.named_as(all.summaries())
    }
}
