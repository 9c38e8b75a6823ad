//! Which columns of a source are meant, by their names.
//!
//! Names are compared without regard to case and outer blanks. A column that is ignored although its name is nearly
//! a known one is never passed over in silence: what is paid for twice, or lost, is found too late.

use std::collections::{BTreeSet, HashMap};

use nearline_contract::clip;

use super::attributes::{Kind, Wanted, kinds_hint, why_not};
use super::found::KEYS_MAX;
use super::known::{CATEGORY, DELETED, EMBEDDING, KNOWN, Known, PRODUCT_ID, TEXT, TITLE, fold, nearest};
use super::layout::{Layout, Slot, TextFrom, list};
use super::template::Template;
use crate::catalog::CatalogError;

/// A column of catalogs that only builds read.
const TEXT_SHA256: &str = "text_sha256";
/// Columns that are ignored and of which something is said.
const NOTES_MAX: usize = 10;

/// What the person who builds says of the columns.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// Known columns and what they are called; an empty name: there is none.
    columns: Vec<(&'static str, String)>,
    text: Option<Template>,
    attributes: Wanted,
    /// No model will be called: each row must bring a vector, and needs no text.
    needs_vectors: bool,
    /// What is read changes a catalog that is there.
    is_update: bool,
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
            let found = KNOWN.iter().chain([&&DELETED]).find(|entry| entry.name == fold(known));
            let found = found.ok_or_else(|| {
                let names = KNOWN.map(|known| known.name).join(", ");
                format!(
                    "--column {column}: `{}` is not one of the columns that can be mapped: {names}, and in updates deleted",
                    known.trim()
                )
            })?;
            if mapping.columns.iter().any(|(known, _)| *known == found.name) {
                return Err(format!("--column {}=... is given twice", found.name));
            }
            mapping.columns.push((found.name, name.trim().to_owned()));
        }
        mapping.text = text.map(str::parse).transpose()?;
        if mapping.text.is_some() && mapping.columns.iter().any(|(known, _)| *known == TEXT.name) {
            return Err("--text and --column text=... both say what is embedded: use one".to_owned());
        }
        Ok(mapping)
    }

    /// The same, with attributes.
    #[must_use]
    pub fn with_attributes(self, attributes: Wanted) -> Self {
        Self { attributes, ..self }
    }

    /// The same for an update of a catalog: what a row has no column for stays as it is, and `deleted` says which products
    /// go.
    #[must_use]
    pub(in crate::catalog) fn of_update(self, attributes: Wanted) -> Self {
        Self { attributes, is_update: true, ..self }
    }

    /// The attributes that are asked for.
    pub(in crate::catalog) fn attributes(&self) -> &Wanted {
        &self.attributes
    }

    /// The layout of a table with these columns.
    ///
    /// # Errors
    /// A column is there twice, one that was named is not there, or one that would be ignored looks like vectors.
    pub(super) fn layout<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Layout, CatalogError> {
        self.lay_out(names, false)
    }

    /// The same of an object, which may lack a key that was named: [`check_seen`](Self::check_seen) asks for it.
    ///
    /// # Errors
    /// As [`layout`](Self::layout).
    pub(super) fn layout_of_object<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Result<Layout, CatalogError> {
        self.lay_out(keys, true)
    }

    /// Whether each column that was named is among the keys of objects.
    ///
    /// # Errors
    /// The first that is not.
    pub(super) fn check_seen(&self, keys: &BTreeSet<String>) -> Result<(), CatalogError> {
        let texts = self.text.iter().flat_map(Template::columns).map(|name| (TEXT.name, name));
        let of_flag = self.attributes.named.iter().filter(|_| !self.is_update);
        let attributes = of_flag.map(|(name, _)| ("--attributes", name));
        let mut named = self.columns.iter().map(|(flag, name)| (*flag, name)).chain(texts).chain(attributes);
        let lost = named.find(|(_, name)| !name.is_empty() && !keys.contains(&fold(name)));
        let Some((flag, name)) = lost.filter(|_| keys.len() < KEYS_MAX) else { return Ok(()) };
        let keys: Vec<String> = keys.iter().cloned().collect();
        Err(CatalogError::Invalid(format!(
            "{flag}: no product has the key `{}`; they have {}{}",
            clip(name),
            list(&keys),
            kinds_hint(name)
        )))
    }

    fn lay_out<'a>(&self, names: impl Iterator<Item = &'a str>, may_lack: bool) -> Result<Layout, CatalogError> {
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
                None if may_lack => Ok(None),
                None => Err(CatalogError::Invalid(format!(
                    "--column {flag}={}: no such column; it has {}",
                    clip(name),
                    list(&names)
                ))),
            },
        };
        let text = match &self.text {
            None => TextFrom::Column(column(&TEXT)?),
            Some(template) => TextFrom::Template(template.resolve(|name| match find(name)? {
                Some(column) => Ok(Some(column)),
                None if may_lack => Ok(None),
                None => Err(CatalogError::Invalid(format!(
                    "--text names `{}`, which is not a column; it has {}",
                    clip(name),
                    list(&names)
                ))),
            })?),
        };
        let mut attributes = Vec::new();
        for (name, kind) in &self.attributes.named {
            match find(name)? {
                Some(column) => attributes.push(Slot { column, number: 0, kind: *kind, is_named: true }),
                None if may_lack || self.is_update => {}
                None => {
                    return Err(CatalogError::Invalid(format!(
                        "--attributes {}: no such column; it has {}{}",
                        clip(name),
                        list(&names),
                        kinds_hint(name)
                    )));
                }
            }
        }
        if !self.is_update && self.columns.iter().any(|(name, _)| *name == DELETED.name) {
            let what = "--column deleted=NAME: only `nearline catalog update` deletes products";
            return Err(CatalogError::Invalid(what.to_owned()));
        }
        let deleted = if self.is_update { column(&DELETED)? } else { None };
        let deleted = deleted.map(|column| Slot { column, number: 0, kind: Some(Kind::Boolean), is_named: true });
        let mut layout = Layout {
            product_id: column(&PRODUCT_ID)?,
            category: column(&CATEGORY)?,
            title: column(&TITLE)?,
            embedding: column(&EMBEDDING)?,
            text,
            attributes,
            needs_vectors: self.needs_vectors,
            is_update: self.is_update,
            deleted,
            notes: Vec::new(),
            names,
        };
        self.look_at_ignored(&mut layout)?;
        if self.attributes.all {
            take_rest(&mut layout, &folded)?;
        }
        Ok(layout)
    }

    /// Says of what is not read that it may be meant.
    fn look_at_ignored(&self, layout: &mut Layout) -> Result<(), CatalogError> {
        let read = layout.columns();
        let is_given = |known: &Known| self.columns.iter().any(|(name, _)| *name == known.name);
        let mut more = 0;
        for column in (0..layout.names.len()).filter(|column| !read.contains(column)) {
            let (shown, there) = (clip(&layout.names[column]), |known: &Known| layout.has(known.name));
            let Some((known, is_typo)) = nearest(&layout.names[column]) else { continue };
            if is_given(known) || (known.name == TEXT.name && self.text.is_some()) || (there(known) && !is_typo) {
                continue;
            }
            let name = known.name;
            if name == EMBEDDING.name && !there(known) {
                return Err(self.lost_vectors(&layout.names[column]));
            }
            if layout.notes.len() == NOTES_MAX {
                more += 1;
            } else if there(known) {
                layout.notes.push(format!("column `{shown}` is {}; {name} is read", self.fate()));
            } else {
                layout.notes.push(format!(
                    "column `{shown}` is {}: did you mean {name}? --column {name}={shown} reads it",
                    self.fate()
                ));
            }
        }
        if more > 0 {
            layout.notes.push(format!("{more} more columns that look like known ones are {}", self.fate()));
        }
        Ok(())
    }

    /// Refuses a table in which a column that is ignored holds lists of floats, unless it was said that there are no
    /// vectors, or which are.
    ///
    /// # Errors
    /// The first such column.
    pub(super) fn check_ignored_lists(
        &self,
        layout: &Layout,
        is_list: impl Fn(usize) -> bool,
    ) -> Result<(), CatalogError> {
        if layout.embedding.is_some() || self.columns.iter().any(|(name, _)| *name == EMBEDDING.name) {
            return Ok(());
        }
        let read = layout.columns();
        let lost = (0..layout.width()).find(|&column| !read.contains(&column) && is_list(column));
        lost.map_or(Ok(()), |column| Err(self.lost_vectors(layout.name(column))))
    }

    /// A column that is not known and holds vectors, or one number of each: they would be paid for again.
    fn lost_vectors(&self, name: &str) -> CatalogError {
        let shown = clip(name);
        let numbers = if name.ends_with(|last: char| last.is_ascii_digit()) {
            "; if there is a column for each number, write a vector as one list in one column"
        } else {
            ""
        };
        CatalogError::Invalid(format!(
            "column `{shown}` would be {}: did you mean embedding? --column embedding={shown} reads it, --column \
             embedding= says there are no vectors{numbers}",
            self.fate()
        ))
    }

    /// What becomes of columns that are not known.
    fn fate(&self) -> &'static str {
        if self.attributes.all { "an attribute only" } else { "ignored" }
    }
}

/// Makes attributes of all columns that are not read otherwise.
fn take_rest(layout: &mut Layout, folded: &[String]) -> Result<(), CatalogError> {
    let read = layout.columns();
    let mut first = HashMap::new();
    for column in (0..layout.width()).filter(|column| !read.contains(column)) {
        let name = &layout.names[column];
        if let Some(other) = first.insert(&folded[column], column) {
            let (one, other, name) = (clip(&layout.names[other]), clip(name), clip(&folded[column]));
            let what = format!("column {name} appears twice: `{one}` and `{other}`");
            return Err(CatalogError::Invalid(what));
        }
        match why_not(name) {
            None => layout.attributes.push(Slot { column, number: 0, kind: None, is_named: false }),
            // A catalog that is a source has it.
            Some(_) if folded[column] == TEXT_SHA256 => {}
            Some(why) => layout.notes.push(format!("column `{}` is left out of the attributes: {why}", clip(name))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
