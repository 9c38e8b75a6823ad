//! Record batches, one after the other.

use std::collections::HashMap;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{DictionaryBatch, Message, MetadataVersion};
use arrow_schema::{DataType, SchemaRef};

use super::blob::Blob;
use super::bounds::Columns;
use super::budget::Budget;
use super::container::{Container, Part};
use super::{invalid, unreadable};
use crate::catalog::CatalogError;

/// Reads a file or stream.
#[derive(Debug)]
pub(in crate::catalog) struct Reader {
    pub(super) blob: Blob,
    pub(super) container: Container,
    pub(super) schema: SchemaRef,
    /// Columns that are read, ascending.
    pub(super) columns: Vec<usize>,
    pub(super) dictionaries: HashMap<i64, ArrayRef>,
    next: usize,
    is_checked: bool,
}

impl Reader {
    /// Opens a file or stream; all its columns will be read.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`]: it is none, it is damaged, or a column has a type that is not known.
    pub(in crate::catalog) fn open(blob: Blob) -> Result<Self, CatalogError> {
        let mut container = Container::open(&blob)?;
        let schema = if let Ok(schema) = try_fb_to_schema(container.schema()?) {
            schema
        } else {
            container = container.with_known_widths()?;
            try_fb_to_schema(container.schema()?).map_err(unreadable)?
        };
        let columns = (0..schema.fields().len()).collect();
        Ok(Self {
            blob,
            container,
            schema: schema.into(),
            columns,
            dictionaries: HashMap::new(),
            next: 0,
            is_checked: false,
        })
    }

    /// The schema, with the columns that are not read.
    pub(in crate::catalog) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether it says that it ends where it does; a stream that does not may have been cut short.
    pub(in crate::catalog) fn has_end(&self) -> bool {
        self.container.has_end()
    }

    /// Which columns are read, ascending; the others are passed over whatever is in them.
    pub(in crate::catalog) fn project(&mut self, columns: Vec<usize>) {
        self.columns = columns;
    }

    /// Checks everything that will be read against one budget, before any of it is; `dimension`: of the vectors that
    /// stay in memory. Returns the number of rows.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming batch and column.
    pub(in crate::catalog) fn check(&mut self, budget: &mut Budget, dimension: usize) -> Result<usize, CatalogError> {
        let mut rows = 0_usize;
        for part in &self.container.parts {
            let message = part.message()?;
            if let Some(batch) = message.header_as_record_batch() {
                let body = self.blob.read(part.body.clone())?;
                let mut bounds = Columns::new(&part.name, message.version(), batch, &body, body.len() as u64, budget)?;
                bounds.take_rows(dimension)?;
                self.check_columns(bounds)?;
                rows = rows.saturating_add(usize::try_from(batch.length()).unwrap_or_default());
            } else {
                self.check_values(part, &message, budget)?;
            }
        }
        self.is_checked = true;
        Ok(rows)
    }

    /// Checks that reading the columns that are not asked for takes no more memory than the file can be worth.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming the batch.
    pub(in crate::catalog) fn check_everything(&self, budget: &mut Budget) -> Result<(), CatalogError> {
        for part in &self.container.parts {
            let message = part.message()?;
            let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
            let batch = message.header_as_record_batch().or(dictionary);
            let batch = batch.ok_or_else(|| invalid(format!("{}: is none", part.name)))?;
            let body = self.blob.read(part.body.clone())?;
            Columns::new(&part.name, message.version(), batch, &body, body.len() as u64, budget)?.all()?;
        }
        Ok(())
    }

    /// The next batch of the columns that are read. Unless all was checked before, what a batch expands to is bounded
    /// by its own bytes.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming batch and column.
    pub(in crate::catalog) fn next_batch(&mut self) -> Result<Option<RecordBatch>, CatalogError> {
        while let Some(part) = self.container.parts.get(self.next) {
            self.next += 1;
            if part.begins {
                self.dictionaries.clear();
            }
            let message = part.message()?;
            let mut budget = Budget::new(part.body.end - part.body.start);
            let Some(batch) = message.header_as_record_batch() else {
                if !self.is_checked {
                    self.check_values(part, &message, &mut budget)?;
                }
                if let Some((.., dictionary)) = self.values(part, &message)? {
                    let body = self.blob.read(part.body.clone())?;
                    let mut dictionaries = std::mem::take(&mut self.dictionaries);
                    self.read_values(part, dictionary, &body, message.version(), &mut dictionaries)?;
                    self.dictionaries = dictionaries;
                }
                continue;
            };
            let (body, version) = (self.blob.read(part.body.clone())?, message.version());
            if !self.is_checked {
                self.check_columns(Columns::new(&part.name, version, batch, &body, body.len() as u64, &mut budget)?)?;
            }
            let (schema, columns) = (SchemaRef::clone(&self.schema), Some(&self.columns[..]));
            let read = read_record_batch(&body, batch, schema, &self.dictionaries, columns, &version);
            return read.map(Some).map_err(unreadable);
        }
        Ok(None)
    }

    pub(super) fn check_columns(&self, mut bounds: Columns<'_, '_>) -> Result<(), CatalogError> {
        for (number, field) in self.schema.fields().iter().enumerate() {
            bounds.column(field.name(), field.data_type(), self.columns.contains(&number))?;
        }
        Ok(())
    }

    fn check_values(&self, part: &Part, message: &Message<'_>, budget: &mut Budget) -> Result<(), CatalogError> {
        self.check_values_in(part, message, &self.blob.read(part.body.clone())?, budget)
    }

    pub(super) fn check_values_in(
        &self,
        part: &Part,
        message: &Message<'_>,
        body: &Buffer,
        budget: &mut Budget,
    ) -> Result<(), CatalogError> {
        let Some((column, values, dictionary)) = self.values(part, message)? else { return Ok(()) };
        let field = self.schema.field(column);
        let batch = dictionary.data().ok_or_else(|| invalid(format!("{}: has no values", part.name)))?;
        Columns::new(&part.name, message.version(), batch, body, body.len() as u64, budget)?.column(
            field.name(),
            values,
            true,
        )
    }

    /// The column that uses a dictionary, the type of its values, and these; `None`: none that is read does.
    pub(super) fn values<'a>(
        &self,
        part: &Part,
        message: &Message<'a>,
    ) -> Result<Option<(usize, &DataType, DictionaryBatch<'a>)>, CatalogError> {
        let dictionary = message.header_as_dictionary_batch();
        let dictionary = dictionary.ok_or_else(|| invalid(format!("{}: is none", part.name)))?;
        let Some(fields) = self.container.schema()?.fields() else { return Ok(None) };
        let values = |column: usize| {
            values_type(fields.get(column), self.schema.field(column).data_type(), dictionary.id())
                .map(|values| (column, values, dictionary))
        };
        Ok(self.columns.iter().find_map(|&column| values(column)))
    }

    pub(super) fn read_values(
        &self,
        part: &Part,
        dictionary: DictionaryBatch<'_>,
        body: &Buffer,
        version: MetadataVersion,
        dictionaries: &mut HashMap<i64, ArrayRef>,
    ) -> Result<(), CatalogError> {
        let replaces = !dictionary.isDelta() && dictionaries.contains_key(&dictionary.id());
        if replaces && !self.container.is_stream() {
            let what = "replaces a dictionary, and a file has only one for each column";
            return Err(invalid(format!("{}: {what}", part.name)));
        }
        // The reader takes the type of the first column with the dictionary's id: it must not see others than those
        // checked.
        let schema = self.schema.project(&self.columns).map_err(unreadable)?;
        read_dictionary(body, dictionary, &schema, dictionaries, &version).map_err(unreadable)
    }
}

/// The type of the values of the dictionary `id`, if a field uses it, has lists of it, or encodes its keys by runs.
fn values_type<'a>(field: arrow_ipc::Field<'_>, kind: &'a DataType, id: i64) -> Option<&'a DataType> {
    match kind {
        DataType::Dictionary(_, values) => (field.dictionary()?.id() == id).then_some(&**values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            values_type(field.children()?.iter().next()?, item.data_type(), id)
        }
        DataType::RunEndEncoded(_, values) => {
            let child = field.children()?.iter().nth(1)?;
            values_type(child, values.data_type(), id)
        }
        _ => None,
    }
}
