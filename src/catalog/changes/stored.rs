//! The rows of an artifact, a batch at a time: also the hashes of their texts, which nobody else reads.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;

use super::update::TextHash;
use crate::catalog::CatalogError;
use crate::catalog::artifact::{MODEL_ID, TEXT_SHA256, attribute_names, check_columns, open};
use crate::catalog::attributes::Builders;
use crate::catalog::ipc::{Blob, Budget, Once, Reader, invalid, strings};

const EMBEDDING: &str = "embedding";

/// An artifact on disk that is read.
pub(super) struct Stored {
    pub(super) described: Described,
    reader: Reader,
}

/// What an artifact says of its columns.
pub(super) struct Described {
    schema: SchemaRef,
    attributes: Vec<String>,
    budget: Budget,
    pub(super) dimension: usize,
}

/// Some of its rows.
#[derive(Debug)]
pub(super) struct Batch(pub(super) RecordBatch);

impl Stored {
    /// Opens an artifact.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(super) fn open(path: &Path) -> Result<Self, CatalogError> {
        let file = open(path)?;
        let length = file.metadata().map_err(|source| CatalogError::File { path: path.to_owned(), source })?.len();
        let (described, reader) = Described::read(Blob::File(file, length))?;
        Ok(Self { described, reader })
    }

    /// The next rows.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, CatalogError> {
        Ok(self.reader.next_batch()?.map(Batch))
    }
}

impl Described {
    /// What an artifact says of itself, and what reads the columns that count.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(super) fn read(blob: Blob) -> Result<(Self, Reader), CatalogError> {
        let budget = Budget::new(blob.len());
        let mut reader = Reader::open(blob)?;
        let schema = SchemaRef::clone(reader.schema());
        let (dimension, attributes) = (check_columns(&schema)?, attribute_names(&schema)?);
        let of_attributes: Vec<usize> = Builders::new(&schema, &attributes)?.columns().collect();
        let is_read = |column: &usize| {
            let name = schema.field(*column).name().as_str();
            ["product_id", "category", "title", EMBEDDING, TEXT_SHA256].contains(&name)
                || of_attributes.contains(column)
        };
        reader.project((0..schema.fields().len()).filter(is_read).collect());
        Ok((Self { schema, attributes, budget, dimension }, reader))
    }

    /// Where its parts lie, if they can be read apart from its vectors.
    ///
    /// # Errors
    /// It is damaged.
    pub(super) fn apart(&mut self, reader: Reader) -> Result<Option<Once>, CatalogError> {
        let column = self.schema.index_of(EMBEDDING).map_err(|error| invalid(error.to_string()))?;
        Once::new(reader, column, self.dimension, &mut self.budget)
    }

    /// Decodes a batch of which all is there but the vectors; `None`: it was a dictionary.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`].
    pub(super) fn decode(
        &mut self,
        once: &mut Once,
        number: usize,
        around: [&[u8]; 2],
    ) -> Result<Option<Batch>, CatalogError> {
        Ok(once.decode(number, around, &mut self.budget)?.map(Batch))
    }

    /// The model that it names.
    pub(super) fn model_id(&self) -> Option<&str> {
        self.schema.metadata().get(MODEL_ID).map(String::as_str).filter(|id| !id.is_empty())
    }

    /// Whether it knows the texts that its vectors were made of.
    pub(super) fn has_hashes(&self) -> bool {
        self.schema.index_of(TEXT_SHA256).is_ok()
    }

    /// For its attributes.
    ///
    /// # Errors
    /// A column cannot be one.
    pub(super) fn builders(&self) -> Result<Builders, CatalogError> {
        Builders::new(&self.schema, &self.attributes)
    }

    /// Takes the attributes of a batch.
    ///
    /// # Errors
    /// One cannot be kept.
    pub(super) fn append(&mut self, batch: &Batch, to: &mut Builders) -> Result<(), CatalogError> {
        to.append(&batch.0, &mut self.budget)
    }
}

impl Batch {
    pub(super) fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// A column of strings, empty where there are none.
    ///
    /// # Errors
    /// It is of another type.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<Option<&str>>, CatalogError> {
        self.0.column_by_name(name).map_or_else(|| Ok(vec![None; self.rows()]), strings)
    }

    /// The vectors, one after the other.
    ///
    /// # Errors
    /// One is not there.
    pub(super) fn vectors(&self) -> Result<&[f32], CatalogError> {
        let lists = self.0.column_by_name(EMBEDDING).and_then(|column| column.as_fixed_size_list_opt());
        let lists = lists.ok_or_else(|| invalid("column embedding is missing"))?;
        let numbers = lists.values().as_primitive_opt::<Float32Type>();
        let numbers = numbers.ok_or_else(|| invalid("column embedding: its numbers are no 32-bit floats"))?;
        if lists.null_count() + numbers.null_count() > 0 {
            return Err(invalid("column embedding: is null"));
        }
        let start = lists.value_offset_at(0);
        Ok(&numbers.values()[start..][..lists.len() * lists.value_length() as usize])
    }

    /// The hash of the text of a row, if it is known.
    pub(super) fn text_sha256(&self, row: usize) -> Option<TextHash> {
        let hashes = self.0.column_by_name(TEXT_SHA256)?.as_fixed_size_binary_opt()?;
        hashes.is_valid(row).then(|| hashes.value(row).try_into().ok()).flatten()
    }
}
