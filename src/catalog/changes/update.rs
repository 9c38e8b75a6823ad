//! An update in memory: rows that replace products or add them, and ids of products that are deleted.
//!
//! Read as carefully as an artifact, and of the types of the artifact that it is of. What it says of products that it
//! does not bring is not known here.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use nearline_contract::clip;

use super::base::Base;
use crate::catalog::CatalogError;
use crate::catalog::artifact::{FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, TEXT_SHA256};
use crate::catalog::attributes::{Attributes, Builders};
use crate::catalog::ipc::{Blob, Budget, Reader, invalid, is_string, strings, type_name};
use crate::catalog::kind::Kind;
use crate::catalog::names::Names;
use crate::embed::base_id;

/// Column: whether the product is deleted.
pub(in crate::catalog) const DELETED: &str = "deleted";
/// Columns that are read beside attributes and vectors, and whether a row needs them.
const TEXTS: [&str; 3] = ["product_id", "category", "title"];
const EMBEDDING: &str = "embedding";

/// SHA-256 of a text that was embedded.
pub(in crate::catalog) type TextHash = [u8; 32];

/// The rows of an update, in order.
#[derive(Debug, Default)]
pub(in crate::catalog) struct Update {
    pub(super) products: Names,
    /// What a row says of its product; `None`: it is deleted.
    pub(super) contents: Vec<Option<Content>>,
    /// One after the other, of the rows that have one.
    pub(super) vectors: Vec<f32>,
    pub(super) dimension: usize,
    /// Of all rows, those of deletions too.
    pub(super) attributes: Attributes,
}

/// What a row says of its product, beside attributes.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) category: String,
    pub(super) title: Option<String>,
    /// The number of its vector among those of the update; `None`: the product keeps its own.
    pub(super) vector: Option<u32>,
    /// Of the text that the vector was made of, if that is known.
    pub(super) text_sha256: Option<TextHash>,
}

impl Update {
    /// How many rows it has.
    pub(in crate::catalog) fn rows(&self) -> usize {
        self.contents.len()
    }

    /// How many of them delete a product.
    pub(in crate::catalog) fn deleted(&self) -> usize {
        self.contents.iter().filter(|content| content.is_none()).count()
    }

    pub(super) fn product_id(&self, row: u32) -> &str {
        self.products.get(row)
    }

    /// The category of a row that does not delete; otherwise empty.
    pub(super) fn category(&self, row: u32) -> &str {
        self.contents[row as usize].as_ref().map_or("", |content| &content.category)
    }

    /// The title of a row, if it has one.
    pub(super) fn title(&self, row: u32) -> Option<&str> {
        let title = self.contents[row as usize].as_ref()?.title.as_deref();
        title.filter(|title| !title.is_empty())
    }

    /// The vector with a number.
    pub(super) fn vector(&self, number: u32) -> &[f32] {
        &self.vectors[number as usize * self.dimension..][..self.dimension]
    }

    /// Bytes that it keeps in memory.
    pub(in crate::catalog) fn memory_bytes(&self) -> usize {
        let texts =
            |content: &Content| content.category.capacity() + content.title.as_ref().map_or(0, String::capacity);
        self.products.memory_bytes()
            + self.contents.capacity() * size_of::<Option<Content>>()
            + self.contents.iter().flatten().map(texts).sum::<usize>()
            + self.vectors.capacity() * size_of::<f32>()
            + self.attributes.memory_bytes()
    }

    /// Reads an update of an artifact.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming row and column (rows count from 0).
    pub(in crate::catalog) fn read(bytes: &Bytes, base: &impl Base) -> Result<Self, CatalogError> {
        let kind = Kind::of(bytes);
        if kind != Kind::ArrowFile {
            return Err(invalid(format!("this is {kind}, not an Arrow IPC file")));
        }
        let mut file = Reader::open(Blob::Memory(Buffer::from(bytes.clone())))?;
        let schema = SchemaRef::clone(file.schema());
        let columns = Columns::new(&schema, base)?;
        file.project(columns.all());
        let mut budget = Budget::new(bytes.len() as u64);
        let count = file.check(&mut budget, base.dimension())?;
        if count == 0 {
            return Err(invalid("it has no rows"));
        }
        let mut update = Self { dimension: base.dimension(), ..Self::default() };
        let mut attributes = columns.attributes(&schema)?;
        while let Some(batch) = file.next_batch()? {
            let first = update.rows();
            update.append(&batch, &columns, &mut budget)?;
            if let Some(batch) = columns.attribute_batch(&batch)? {
                attributes.append(&batch, &mut budget)?;
            }
            columns.check_whole(&update.contents[first..], first)?;
        }
        update.attributes = attributes.finish().of_rows(count);
        if let Some((row, number, value)) = base.attributes().too_large_in(&update.attributes) {
            let field = &base.attributes().fields()[number];
            let (name, kept) = (clip(field.name()), type_name(field.data_type()));
            return Err(invalid(format!("row {row}, column {name}: is {value}, which is beyond the catalog's {kept}")));
        }
        Columns::check_model(&schema, base, &update)?;
        Ok(update)
    }

    fn append(&mut self, batch: &RecordBatch, columns: &Columns, budget: &mut Budget) -> Result<(), CatalogError> {
        let first = self.rows();
        let texts = |name: &str| match columns.texts.iter().find(|(known, _)| *known == name) {
            Some((name, true)) => batch.column_by_name(name).map(strings).transpose(),
            _ => Ok(None),
        };
        let (ids, categories, titles) = (texts(TEXTS[0])?.unwrap_or_default(), texts(TEXTS[1])?, texts(TEXTS[2])?);
        let deleted = batch.column_by_name(DELETED).and_then(|column| column.as_boolean_opt());
        let hashes = batch.column_by_name(TEXT_SHA256).and_then(|column| column.as_fixed_size_binary_opt());
        for (number, id) in ids.iter().enumerate() {
            let row = first + number;
            let mut copy = |name: &str, string: &str| {
                budget.take(string.len() as u64, || format!("row {row}, column {name}"))?;
                Ok::<_, CatalogError>(string.to_owned())
            };
            let id = id.filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| invalid(format!("row {row}, column product_id: is empty")))?;
            if let Some(other) = self.products.find(id) {
                return Err(CatalogError::repeated(id, row, other));
            }
            self.products.insert(&copy(TEXTS[0], id)?);
            if deleted.is_some_and(|deleted| deleted.is_valid(number) && deleted.value(number)) {
                self.contents.push(None);
                continue;
            }
            let text = |texts: Option<&Vec<Option<&str>>>| texts.and_then(|texts| texts[number]).map(str::to_owned);
            let category = text(categories.as_ref()).filter(|category| !category.is_empty());
            let category = category.ok_or_else(|| {
                invalid(format!("row {row}, column category: is empty, and only rows that delete may lack it"))
            })?;
            let category = copy(TEXTS[1], &category)?;
            let title = text(titles.as_ref()).map(|title| copy(TEXTS[2], &title)).transpose()?;
            let vector = self.push_vector(batch, number, row)?;
            let hash = hashes.filter(|hashes| vector.is_some() && hashes.is_valid(number));
            let text_sha256 = hash.and_then(|hashes| hashes.value(number).try_into().ok());
            self.contents.push(Some(Content { category, title, vector, text_sha256 }));
        }
        Ok(())
    }

    /// Takes the vector of a row over; `None`: it is null.
    fn push_vector(&mut self, batch: &RecordBatch, number: usize, row: usize) -> Result<Option<u32>, CatalogError> {
        let lists = batch.column_by_name(EMBEDDING).and_then(|column| column.as_fixed_size_list_opt());
        let Some(lists) = lists.filter(|lists| lists.is_valid(number)) else { return Ok(None) };
        let wrong = |what: &str| invalid(format!("row {row}, column embedding: {what}"));
        let values = lists.value(number);
        if values.null_count() > 0 {
            return Err(wrong("a number of it is null"));
        }
        let values = values.as_primitive::<Float32Type>().values();
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(wrong(&format!("a number of it is {value}; every one must be finite")));
        }
        if nearline_search::norm(values) == 0.0 {
            return Err(wrong("is all zeros, which has no direction"));
        }
        let vector = self.vectors.len() / self.dimension;
        self.vectors.extend_from_slice(values);
        Ok(Some(vector as u32))
    }
}

/// Which columns of an update are read, and as what.
struct Columns {
    /// Names of string columns, and whether they are there.
    texts: [(&'static str, bool); 3],
    /// For each attribute of the artifact its name, the type that it is kept as, and its column; `None`: all are null.
    attributes: Vec<(Field, Option<usize>)>,
    /// The first attribute that the update has no column of.
    missing: Option<String>,
    all: Vec<usize>,
}

impl Columns {
    fn new(schema: &Schema, base: &impl Base) -> Result<Self, CatalogError> {
        let format = schema.metadata().get(FORMAT_VERSION).map_or(SUPPORTED_FORMAT, String::as_str);
        if format != SUPPORTED_FORMAT {
            let format = clip(format);
            return Err(invalid(format!(
                "its {FORMAT_VERSION} is `{format}`, this release reads `{SUPPORTED_FORMAT}`"
            )));
        }
        // A column of nothing but nulls may have no type.
        let find = |name: &str| {
            let mut found = (0..schema.fields().len()).filter(|&column| schema.field(column).name() == name);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(invalid(format!("column {} appears twice", clip(name)))),
                (column, _) => Ok(column.map(|column| (column, schema.field(column).data_type()))),
            }
        };
        let wrong = |name: &str, wanted: &str, is: &DataType| {
            invalid(format!("column {} must be {wanted}, is {}", clip(name), type_name(is)))
        };
        let (mut columns, mut texts) = (Vec::new(), TEXTS.map(|name| (name, false)));
        for (name, is_there) in &mut texts {
            match find(name)? {
                Some((column, kind)) if is_string(kind) => {
                    columns.push(column);
                    *is_there = true;
                }
                Some((_, DataType::Null)) => {}
                Some((_, kind)) => return Err(wrong(name, "a string column", kind)),
                None if *name == TEXTS[0] => return Err(invalid(format!("column {name} is missing"))),
                None => {}
            }
        }
        let wanted = format!("FixedSizeList<Float32, {}>, as in the catalog", base.dimension());
        match find(EMBEDDING)? {
            Some((column, DataType::FixedSizeList(item, size)))
                if *item.data_type() == DataType::Float32 && usize::try_from(*size) == Ok(base.dimension()) =>
            {
                columns.push(column);
            }
            None | Some((_, DataType::Null)) => {}
            Some((_, kind)) => return Err(wrong(EMBEDDING, &wanted, kind)),
        }
        match find(DELETED)? {
            Some((column, DataType::Boolean)) => columns.push(column),
            None | Some((_, DataType::Null)) => {}
            Some((_, kind)) => return Err(wrong(DELETED, "Boolean", kind)),
        }
        if let Some((column, DataType::FixedSizeBinary(32))) = find(TEXT_SHA256)? {
            columns.push(column);
        }
        let (mut attributes, mut missing) = (Vec::new(), None);
        for (number, field) in base.attributes().fields().into_iter().enumerate() {
            let column = match find(field.name())? {
                Some((column, kind)) if base.attributes().takes(number, kind) => Some(column),
                Some((_, DataType::Null)) => None,
                Some((_, kind)) => {
                    let wanted = format!("{}, as the catalog keeps it", type_name(field.data_type()));
                    return Err(wrong(field.name(), &wanted, kind));
                }
                None => {
                    missing.get_or_insert_with(|| field.name().clone());
                    None
                }
            };
            attributes.push((field, column));
        }
        let mut all = columns;
        all.extend(attributes.iter().filter_map(|(_, column)| *column));
        all.sort_unstable();
        all.dedup();
        Ok(Self { texts, attributes, missing, all })
    }

    /// The columns that are read, ascending.
    fn all(&self) -> Vec<usize> {
        self.all.clone()
    }

    fn attributes(&self, schema: &Schema) -> Result<Builders, CatalogError> {
        let names: Vec<String> = self.attributes.iter().map(|(field, _)| field.name().clone()).collect();
        Builders::new(&self.attribute_schema(schema), &names)
    }

    /// The attributes alone, a column for each.
    fn attribute_schema(&self, schema: &Schema) -> Schema {
        let field = |(kept, column): &(Field, Option<usize>)| match column {
            Some(column) => schema.field(*column).clone().with_nullable(true),
            None => kept.clone(),
        };
        Schema::new(self.attributes.iter().map(field).collect::<Vec<_>>())
    }

    /// The attributes of a batch; `None`: the catalog keeps none.
    fn attribute_batch(&self, batch: &RecordBatch) -> Result<Option<RecordBatch>, CatalogError> {
        if self.attributes.is_empty() {
            return Ok(None);
        }
        let array = |(field, column): &(Field, Option<usize>)| -> ArrayRef {
            let found = column.and_then(|_| batch.column_by_name(field.name()));
            found.cloned().unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
        };
        let named = self.attributes.iter().map(|entry| (entry.0.name().clone(), array(entry), true));
        let batch = RecordBatch::try_from_iter_with_nullable(named);
        batch.map(Some).map_err(crate::catalog::ipc::unreadable)
    }

    /// An update's rows replace products whole: it must have all columns that the catalog keeps.
    fn check_whole(&self, contents: &[Option<Content>], first: usize) -> Result<(), CatalogError> {
        let Some(name) = &self.missing else { return Ok(()) };
        contents.iter().position(Option::is_some).map_or(Ok(()), |row| {
            Err(invalid(format!(
                "row {}: there is no column {}, which the catalog keeps: rows of an update replace products whole",
                first + row,
                clip(name)
            )))
        })
    }

    /// Vectors of another model cannot be compared.
    fn check_model(schema: &Schema, base: &impl Base, update: &Update) -> Result<(), CatalogError> {
        let named = schema.metadata().get(MODEL_ID).filter(|id| !id.is_empty());
        match (named, base.model_id()) {
            (Some(named), own) if !update.vectors.is_empty() && own.map(base_id) != Some(base_id(named)) => {
                let own = own.map_or_else(|| "no model that it names".to_owned(), |own| format!("`{own}`"));
                Err(invalid(format!("its vectors are of `{}`, the catalog's of {own}", clip(named))))
            }
            _ => Ok(()),
        }
    }
}
