//! Which columns of a source are meant, by their names.
//!
//! Names are compared without regard to case and outer blanks. A column that is ignored although its name is nearly
//! a known one is never passed over in silence: what is paid for twice, or lost, is found too late.

use nearline_contract::clip;

use super::known::{CATEGORY, EMBEDDING, KNOWN, Known, PRODUCT_ID, TEXT, TITLE, fold, nearest};
use super::template::Template;
use crate::catalog::CatalogError;

/// Columns that a message lists.
const LISTED_MAX: usize = 20;

/// What the person who builds says of the columns.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// Known columns and what they are called; an empty name: there is none.
    columns: Vec<(&'static str, String)>,
    text: Option<Template>,
    /// No model will be called: each row must bring a vector, and needs no text.
    needs_vectors: bool,
}

/// Which columns of a table are meant.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    names: Vec<String>,
    pub(super) product_id: Option<usize>,
    pub(super) category: Option<usize>,
    pub(super) title: Option<usize>,
    pub(super) embedding: Option<usize>,
    pub(super) text: TextFrom,
    /// Whether each row must bring a vector.
    pub(super) needs_vectors: bool,
    /// What somebody should know of columns that are not read.
    pub(super) notes: Vec<String>,
}

/// Where a text comes from.
#[derive(Debug, Clone)]
pub(super) enum TextFrom {
    Column(Option<usize>),
    /// Its columns are numbers of the layout.
    Template(Template<usize>),
}

impl Mapping {
    /// From `--column KNOWN=NAME` and `--text TEMPLATE`; `needs_vectors`: no model is to be called.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn new(columns: &[String], text: Option<&str>, needs_vectors: bool) -> Result<Self, String> {
        let mut mapping = Self { needs_vectors, ..Self::default() };
        for column in columns {
            let (known, name) = column
                .split_once('=')
                .ok_or_else(|| format!("--column must be KNOWN=NAME such as product_id=sku, was `{column}`"))?;
            let found = KNOWN.iter().find(|entry| entry.name == fold(known));
            let found = found.ok_or_else(|| {
                let names = KNOWN.map(|known| known.name).join(", ");
                format!("--column {column}: `{}` is none of the columns that are read: {names}", known.trim())
            })?;
            if mapping.columns.iter().any(|(known, _)| *known == found.name) {
                return Err(format!("--column {}=... is given twice", found.name));
            }
            mapping.columns.push((found.name, name.trim().to_owned()));
        }
        mapping.text = text.map(str::parse).transpose()?;
        if mapping.text.is_some() && mapping.columns.iter().any(|(known, _)| *known == TEXT.name) {
            return Err("--text and --column text=... both say what is embedded: give one of them".to_owned());
        }
        Ok(mapping)
    }

    /// The layout of a table with these columns.
    ///
    /// # Errors
    /// A column is there twice, one that was named is not there, or one that would be ignored looks like vectors.
    pub(super) fn layout<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Layout, CatalogError> {
        let names: Vec<String> = names.map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let folded: Vec<String> = names.iter().map(|name| fold(name)).collect();
        let find = |name: &str| -> Result<Option<usize>, CatalogError> {
            let name = fold(name);
            let mut found = (0..folded.len()).filter(|&column| folded[column] == name);
            match (found.next(), found.next()) {
                (Some(one), Some(other)) => Err(CatalogError::Invalid(format!(
                    "column {} appears twice: `{}` and `{}`",
                    clip(&name),
                    clip(&names[one]),
                    clip(&names[other])
                ))),
                (found, _) => Ok(found),
            }
        };
        let column = |known: &Known| match self.columns.iter().find(|(name, _)| *name == known.name) {
            None => find(known.name),
            Some((_, name)) if name.is_empty() => Ok(None),
            Some((flag, name)) => match find(name)? {
                Some(column) => Ok(Some(column)),
                None => Err(CatalogError::Invalid(format!(
                    "--column {flag}={}: there is no such column; it has {}",
                    clip(name),
                    list(&names)
                ))),
            },
        };
        let text = match &self.text {
            None => TextFrom::Column(column(&TEXT)?),
            Some(template) => TextFrom::Template(template.resolve(|name| match find(name)? {
                Some(column) => Ok(column),
                None => Err(CatalogError::Invalid(format!(
                    "--text names `{}`, which is no column; it has {}",
                    clip(name),
                    list(&names)
                ))),
            })?),
        };
        let mut layout = Layout {
            product_id: column(&PRODUCT_ID)?,
            category: column(&CATEGORY)?,
            title: column(&TITLE)?,
            embedding: column(&EMBEDDING)?,
            text,
            needs_vectors: self.needs_vectors,
            notes: Vec::new(),
            names,
        };
        self.look_at_ignored(&mut layout, &folded)?;
        Ok(layout)
    }

    /// Says of what is not read that it may be meant.
    fn look_at_ignored(&self, layout: &mut Layout, folded: &[String]) -> Result<(), CatalogError> {
        let read = layout.columns();
        let is_given = |known: &Known| self.columns.iter().any(|(name, _)| *name == known.name);
        for (column, name) in folded.iter().enumerate().filter(|(column, _)| !read.contains(column)) {
            let (shown, there) = (clip(&layout.names[column]), |known: &Known| layout.has(known.name));
            let Some((known, is_typo)) = nearest(name) else { continue };
            if is_given(known) || (known.name == TEXT.name && self.text.is_some()) || (there(known) && !is_typo) {
                continue;
            }
            let name = known.name;
            if there(known) {
                layout.notes.push(format!("column `{shown}` is ignored; {name} is read"));
            } else if name == EMBEDDING.name && shown.ends_with(|last: char| last.is_ascii_digit()) {
                let what = "did you mean embedding? Write the numbers of a vector as one list in one column";
                return Err(CatalogError::Invalid(format!("column `{shown}` would be ignored: {what}")));
            } else if name == EMBEDDING.name {
                return Err(CatalogError::Invalid(format!(
                    "column `{shown}` would be ignored: did you mean {name}? \
                     --column {name}={shown} reads it, --column {name}= says that there are no vectors"
                )));
            } else {
                layout.notes.push(format!(
                    "column `{shown}` is ignored: did you mean {name}? --column {name}={shown} reads it"
                ));
            }
        }
        Ok(())
    }
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
        let mut columns: Vec<usize> =
            [self.product_id, self.category, self.title, self.embedding].into_iter().flatten().collect();
        match &self.text {
            TextFrom::Column(column) => columns.extend(*column),
            TextFrom::Template(template) => columns.extend(template.columns()),
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
        let needed = [Some(PRODUCT_ID.name), Some(CATEGORY.name), last];
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
        if self.names.len() == 1 && self.names[0].contains([',', ';', '\t', '|']) {
            message.push_str("; if another character separates the cells, --delimiter names it");
        }
        Err(CatalogError::Invalid(message))
    }

    fn has(&self, name: &str) -> bool {
        match name {
            "product_id" => self.product_id.is_some(),
            "category" => self.category.is_some(),
            "title" => self.title.is_some(),
            "embedding" => self.embedding.is_some(),
            _ => !matches!(self.text, TextFrom::Column(None)),
        }
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED_MAX).map(|name| format!("`{}`", clip(name))).collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(flags: &[&str], names: &[&str]) -> Result<Layout, String> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mapping = Mapping::new(&flags, None, false)?;
        mapping.layout(names.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_count_without_case_and_outer_blanks() {
        let found = layout(&[], &["\u{feff} Product_ID", "TEXT ", "Category", "Title", "EMBEDDING"]).unwrap();
        assert_eq!(
            (found.product_id, found.category, found.title, found.embedding),
            (Some(0), Some(2), Some(3), Some(4))
        );
        assert_eq!(found.columns(), [0, 1, 2, 3, 4]);
        assert!(found.notes.is_empty());
    }

    #[test]
    fn a_column_that_is_nearly_a_known_one_is_never_passed_over_in_silence() {
        for vectors in ["Embeddings", "vector", "embeding", "emb"] {
            let error = layout(&[], &["product_id", "category", "text", vectors]).unwrap_err();
            assert!(error.contains(&format!("column `{vectors}` would be ignored")), "{error}");
            assert!(error.contains("did you mean embedding?"), "{error}");
        }
        for title in ["titel", "Titles", "name"] {
            let notes = layout(&[], &["product_id", "category", "text", title]).unwrap().notes;
            assert!(notes[0].contains(&format!("--column title={title} reads it")), "{notes:?}");
        }
        for id in ["id", "SKU", "productId"] {
            let error = layout(&[], &[id, "category", "text"]).unwrap().require().unwrap_err().to_string();
            assert!(error.contains("column product_id is missing; it has"), "{error}");
            assert!(error.contains(&format!("--column product_id={id} reads it")), "{error}");
        }
        assert!(layout(&[], &["product_id", "category", "text", "price", "id"]).unwrap().notes.is_empty());
        assert_eq!(layout(&[], &["product_id", "category", "text", "title", "titel"]).unwrap().notes.len(), 1);
    }

    #[test]
    fn flags_say_what_is_meant() {
        let found = layout(&["product_id=sku", "Embedding= Vec"], &["SKU", "category", "vec"]).unwrap();
        assert_eq!((found.product_id, found.embedding), (Some(0), Some(2)));
        found.require().unwrap();
        let none = layout(&["embedding="], &["product_id", "category", "text", "vector"]).unwrap();
        assert_eq!((none.embedding, none.notes.len()), (None, 0));
        for (flag, why) in [
            ("product_id", "must be KNOWN=NAME"),
            ("colour=red", "is none of the columns that are read"),
            ("title=nope", "there is no such column; it has `product_id`, `category`"),
        ] {
            let error = layout(&[flag], &["product_id", "category"]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_repeated_column_is_an_error() {
        let error = layout(&[], &["product_id", "category", "Text", "text"]).unwrap_err();
        assert!(error.contains("column text appears twice: `Text` and `text`"), "{error}");
    }
}
