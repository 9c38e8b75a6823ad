//! The attributes of all products, by name and by number.

use nearline_contract::{Attribute, ErrorCode, JobError, clip};

use super::column::Column;
use crate::catalog::names::Names;
use crate::catalog::nearest;

/// The attributes of all products, by name.
#[derive(Debug, Default)]
pub struct Attributes {
    pub(super) names: Names,
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
}

impl Attributes {
    /// The number of an attribute. `path`: where it is asked for, for the message.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownAttribute`], with the name that was probably meant.
    pub fn find(&self, name: &str, path: &str) -> Result<usize, JobError> {
        if let Some(number) = self.names.find(name) {
            return Ok(number as usize);
        }
        let hint = match nearest::among(name, &self.names) {
            Some(nearest) => format!(", did you mean `{}`?", clip(nearest)),
            None if self.columns.is_empty() => ": it has none (`catalog build --attributes`)".to_owned(),
            None => String::new(),
        };
        let message = format!("{path}: the catalog has no attribute `{}`{hint}", clip(name));
        Err(JobError::new(ErrorCode::UnknownAttribute, message))
    }

    /// The value that a row has of an attribute.
    ///
    /// # Panics
    /// If there is no such attribute or row.
    pub fn get(&self, attribute: usize, row: u32) -> Option<Attribute> {
        self.columns[attribute].get(row as usize)
    }

    /// Of so many rows, if there is no attribute that has as many.
    pub(in crate::catalog) fn of_rows(mut self, rows: usize) -> Self {
        if self.columns.is_empty() {
            self.rows = rows;
        }
        self
    }

    /// Bytes that they keep in memory.
    pub fn memory_bytes(&self) -> usize {
        self.names.memory_bytes() + self.columns.iter().map(Column::memory_bytes).sum::<usize>()
    }
}
