//! The attributes of all files of a source, by number, as reading finds them.

use std::collections::HashMap;

use arrow_schema::DataType;
use nearline_contract::clip;

use super::super::known::fold;
use super::super::layout::{Layout, Slot};
use super::class::go_together;
use super::wanted::Wanted;
use crate::catalog::CatalogError;
use crate::catalog::ipc::type_name;

/// Attributes of a source. Something with more keys than this is not a table.
const ATTRIBUTES_MAX: usize = 1_000;

/// One attribute.
#[derive(Debug, Clone)]
pub(in crate::catalog::source) struct Entry {
    /// As the source writes it first.
    pub(in crate::catalog::source) name: String,
    /// Whether somebody asked for it by its name.
    pub(in crate::catalog::source) is_named: bool,
    /// The types that tables have of it, each once.
    pub(super) declared: Vec<DataType>,
    /// Whether a file without types has it.
    pub(super) is_untyped: bool,
    is_seen: bool,
    /// The first table that has no such column.
    lacks: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::catalog::source) struct Registry {
    pub(in crate::catalog::source) entries: Vec<Entry>,
    /// By their names without case.
    numbers: HashMap<String, usize>,
    /// The first table.
    table: Option<String>,
}

impl Registry {
    pub(in crate::catalog::source) fn new(wanted: &Wanted) -> Self {
        let mut registry = Self::default();
        for (name, _) in &wanted.named {
            registry.add(name, true);
        }
        registry
    }

    /// Gives the attributes of a layout their numbers. `table`: the name of a file whose rows all have the same columns;
    /// `declared`: the type of a column, if its values have that.
    ///
    /// # Errors
    /// There are too many, or a type does not go with that of a file before.
    pub(in crate::catalog::source) fn register(
        &mut self,
        layout: &mut Layout,
        table: Option<&str>,
        declared: &dyn Fn(&Slot) -> Option<DataType>,
    ) -> Result<(), CatalogError> {
        let known = self.entries.len();
        let mut found = vec![false; known];
        for at in 0..layout.attributes.len() {
            let column = layout.attributes[at].column;
            let name = &layout.names[column];
            let number = match self.numbers.get(&fold(name)) {
                Some(&number) => number,
                None => self.add(name, false),
            };
            if self.entries.len() > ATTRIBUTES_MAX {
                let what =
                    format!("more than {ATTRIBUTES_MAX} attributes: name those that are needed (--attributes A,B)");
                return Err(CatalogError::Invalid(what));
            }
            if let Some(found) = found.get_mut(number) {
                *found = true;
            } else if let (Some(first), Some(_)) = (&self.table, table) {
                self.entries[number].lacks = Some(first.clone());
            }
            let entry = &mut self.entries[number];
            if !std::mem::replace(&mut entry.is_seen, true) {
                entry.name.clone_from(name);
            }
            match declared(&layout.attributes[at]) {
                Some(kind) => entry.declare(kind)?,
                None => entry.is_untyped = true,
            }
            layout.attributes[at].number = number;
        }
        if let Some(table) = table {
            let lacking = self.entries[..known].iter_mut().zip(found).filter(|(_, found)| !found);
            for (entry, _) in lacking.filter(|(entry, _)| !entry.is_named) {
                entry.lacks.get_or_insert_with(|| table.to_owned());
            }
            self.table.get_or_insert_with(|| table.to_owned());
        }
        Ok(())
    }

    /// Whether each attribute is a column of each table.
    ///
    /// # Errors
    /// The first that is not.
    pub(in crate::catalog::source) fn check(&self) -> Result<(), CatalogError> {
        let lacking = self.entries.iter().find_map(|entry| Some((entry, entry.lacks.as_ref()?)));
        lacking.map_or(Ok(()), |(entry, table)| {
            let name = clip(&entry.name);
            let what = format!(
                "{table} has no column {name} that can be an attribute, other files have: --attributes A,B names those \
                 that all have"
            );
            Err(CatalogError::Invalid(what))
        })
    }

    fn add(&mut self, name: &str, is_named: bool) -> usize {
        let number = self.entries.len();
        self.numbers.insert(fold(name), number);
        let name = name.to_owned();
        let entry = Entry { name, is_named, declared: Vec::new(), is_untyped: false, is_seen: false, lacks: None };
        self.entries.push(entry);
        number
    }
}

impl Entry {
    /// A type of dates or times that tables have of it, and that counts other units than this one.
    pub(in crate::catalog::source) fn other_moment(&self, kept: &DataType) -> Option<&DataType> {
        let is_same = |kind: &DataType| match (kind, kept) {
            (DataType::Timestamp(unit, zone), DataType::Timestamp(kept, kept_zone)) => {
                unit == kept && zone.is_some() == kept_zone.is_some()
            }
            (kind, kept) => kind == kept,
        };
        let is_moment = |kind: &DataType| matches!(kind, DataType::Date32 | DataType::Timestamp(..));
        self.declared.iter().find(|kind| is_moment(kind) && !is_same(kind))
    }

    fn declare(&mut self, kind: DataType) -> Result<(), CatalogError> {
        // A column of nulls goes with any.
        if kind == DataType::Null || self.declared.contains(&kind) {
            return Ok(());
        }
        if let Some(other) = self.declared.iter().find(|other| !go_together(other, &kind)) {
            let (name, is, was) = (clip(&self.name), type_name(&kind), type_name(other));
            let what = format!("column {name} is {is} here and {was} in a file before: an attribute has one type");
            return Err(CatalogError::Invalid(what));
        }
        self.declared.push(kind);
        Ok(())
    }
}
