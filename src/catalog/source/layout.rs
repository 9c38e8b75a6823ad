//! Which columns of a table are read, and what its rows need.

use nearline_contract::clip;

use super::attributes::Kind;
use super::known::{CATEGORY, EMBEDDING, PRODUCT_ID, TEXT};
use super::template::Template;
use crate::catalog::CatalogError;

/// Columns that a message lists.
const LISTED_MAX: usize = 20;

/// Which columns of a table are meant.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// All columns, in order.
    pub(super) names: Vec<String>,
    pub(super) product_id: Option<usize>,
    pub(super) category: Option<usize>,
    pub(super) title: Option<usize>,
    pub(super) embedding: Option<usize>,
    pub(super) text: TextFrom,
    /// Columns that are attributes.
    pub(super) attributes: Vec<Slot>,
    /// Whether each row must bring a vector.
    pub(super) needs_vectors: bool,
    /// Whether what a row has no column for stays as it is.
    pub(super) is_update: bool,
    /// Which products an update deletes.
    pub(super) deleted: Option<Slot>,
    /// What somebody should know of columns that are not read.
    pub(super) notes: Vec<String>,
}

/// A column that is an attribute.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) column: usize,
    /// The attribute's number in its source.
    pub(super) number: usize,
    /// Its kind, if it was said.
    pub(super) kind: Option<Kind>,
    /// Whether it was asked for by its name.
    pub(super) is_named: bool,
}

/// Where a text comes from.
#[derive(Debug, Clone)]
pub(super) enum TextFrom {
    Column(Option<usize>),
    /// Its columns are numbers of the layout.
    Template(Template<usize>),
}

impl Layout {
    /// The name of a column in the source.
    pub(super) fn name(&self, column: usize) -> &str {
        &self.names[column]
    }

    /// How many columns the table has.
    pub(super) fn width(&self) -> usize {
        self.names.len()
    }

    /// The name of a column that may be beyond the header.
    pub(super) fn cell_name(&self, column: usize) -> &str {
        self.names.get(column).map_or("?", String::as_str)
    }

    /// What messages call the text; `None`: there is none.
    pub(super) fn text_name(&self) -> Option<&str> {
        match &self.text {
            TextFrom::Column(column) => column.map(|column| self.name(column)),
            TextFrom::Template(_) => Some("--text"),
        }
    }

    /// The columns that are read, ascending.
    pub(super) fn columns(&self) -> Vec<usize> {
        let mut columns = self.known_columns();
        columns.extend(self.attributes.iter().chain(&self.deleted).map(|slot| slot.column));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Those of them that are known by name, ascending.
    pub(super) fn known_columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> =
            [self.product_id, self.category, self.title, self.embedding].into_iter().flatten().collect();
        match &self.text {
            TextFrom::Column(column) => columns.extend(*column),
            TextFrom::Template(template) => columns.extend(template.columns().copied()),
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Whether a table has what each row needs.
    ///
    /// # Errors
    /// Which columns are missing, which there are, and which of them may be meant.
    pub(super) fn require(&self) -> Result<(), CatalogError> {
        let last = match (self.needs_vectors, self.embedding) {
            (true, _) => Some(EMBEDDING.name),
            (false, None) => Some(TEXT.name),
            (false, Some(_)) => None,
        };
        let needed = match self.is_update {
            true => [Some(PRODUCT_ID.name), None, None],
            false => [Some(PRODUCT_ID.name), Some(CATEGORY.name), last],
        };
        let missing: Vec<&str> = needed.into_iter().flatten().filter(|name| !self.has(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (plural, verb) = if missing.len() > 1 { ("s", "are") } else { ("", "is") };
        let mut message = format!("column{plural} {} {verb} missing; it has {}", missing.join(", "), list(&self.names));
        for note in &self.notes {
            message.push_str("; ");
            message.push_str(note);
        }
        let is_mark = |character: char| !character.is_alphanumeric() && character != '_';
        if self.names.first().is_some_and(|name| name.starts_with('#')) {
            message.push_str("; a line that begins with # is not a comment: remove it");
        } else if self.names.len() == 1 && self.names[0].contains(is_mark) {
            message.push_str("; if another character separates the cells, such as one blank, --delimiter names it");
        }
        if missing == [EMBEDDING.name] && self.has(TEXT.name) {
            message.push_str("; `nearline catalog build` embeds the texts");
        }
        Err(CatalogError::Invalid(message))
    }

    /// Whether a known column is there.
    pub(super) fn has(&self, name: &str) -> bool {
        match name {
            "product_id" => self.product_id.is_some(),
            "category" => self.category.is_some(),
            "title" => self.title.is_some(),
            "embedding" => self.embedding.is_some(),
            _ => !matches!(self.text, TextFrom::Column(None)),
        }
    }
}

/// Names for a message.
pub(super) fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED_MAX).map(|name| format!("`{}`", clip(name))).collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
