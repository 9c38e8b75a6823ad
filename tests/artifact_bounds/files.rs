//! Artifacts to damage, and where in them which length stands.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int16Type;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray, StringViewArray};
use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions};
use arrow_ipc::{
    Block, CompressionType, FieldBuilder, Footer, FooterBuilder, Message, MessageBuilder, MessageHeader,
    MetadataVersion, NullBuilder, SchemaBuilder, Struct_Builder, Type,
};
use arrow_ipc::{root_as_footer, root_as_message};
use arrow_schema::{DataType, Field};
use flatbuffers::FlatBufferBuilder;

pub(crate) const CODECS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
pub(crate) const ROWS: usize = 200;
pub(crate) const DIMENSION: i32 = 4;

pub(crate) fn utf8(strings: &[String]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(strings))
}

pub(crate) fn views(strings: &[String]) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(strings))
}

pub(crate) fn dictionary(strings: &[String]) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int16Type>::new();
    for string in strings {
        builder.append_value(string);
    }
    Arc::new(builder.finish())
}

pub(crate) fn numbered(prefix: &str, rows: usize) -> Vec<String> {
    (0..rows).map(|row| format!("{prefix} number {row}")).collect()
}

pub(crate) fn embeddings(rows: usize, dimension: i32) -> ArrayRef {
    let numbers =
        Float32Array::from_iter_values((0..rows * dimension as usize).map(|number| (number % 7) as f32 + 1.0));
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    Arc::new(FixedSizeListArray::new(item, dimension, Arc::new(numbers), None))
}

/// A file of one batch for each of `batches`.
pub(crate) fn write(batches: &[Vec<(&str, ArrayRef)>], codec: Option<CompressionType>) -> Vec<u8> {
    let batches: Vec<_> = batches.iter().map(|columns| RecordBatch::try_from_iter(columns.clone()).unwrap()).collect();
    let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
    let options = options.try_with_compression(codec).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    for batch in batches {
        writer.write(&batch).unwrap();
    }
    writer.into_inner().unwrap()
}

/// A file of a column of each kind; `notes` is not read.
pub(crate) fn usual(text: fn(&[String]) -> ArrayRef, codec: Option<CompressionType>) -> Vec<u8> {
    let column = |name: &'static str| (name, text(&numbered(name, ROWS)));
    let batch = vec![
        column("product_id"),
        column("category"),
        column("title"),
        ("embedding", embeddings(ROWS, DIMENSION)),
        column("notes"),
    ];
    write(&[batch.clone(), batch], codec)
}

/// A file of many columns, which have one name together.
pub(crate) fn shared_name(columns: usize, name_bytes: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let name = builder.create_string(&"n".repeat(name_bytes));
    let kind = NullBuilder::new(&mut builder).finish();
    let field = |builder: &mut FlatBufferBuilder<'static>| {
        let mut field = FieldBuilder::new(builder);
        field.add_name(name);
        field.add_type_type(Type::Null);
        field.add_type_(kind.as_union_value());
        field.finish()
    };
    let fields = (0..columns).map(|_| field(&mut builder)).collect::<Vec<_>>();
    let fields = builder.create_vector(&fields);
    let mut schema = SchemaBuilder::new(&mut builder);
    schema.add_fields(fields);
    let schema = schema.finish();
    let no_batches = builder.create_vector::<Block>(&[]);
    let mut footer = FooterBuilder::new(&mut builder);
    footer.add_recordBatches(no_batches);
    footer.add_schema(schema);
    let footer = footer.finish();
    builder.finish(footer, None);
    let footer = builder.finished_data();
    [b"ARROW1\0\0", footer, &(footer.len() as u32).to_le_bytes(), b"ARROW1"].concat()
}

/// A file whose record batches are schemas: fields in fields, of which each is both children of the next one.
pub(crate) fn shared_fields(batches: usize, levels: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let name = builder.create_string("n");
    let null = NullBuilder::new(&mut builder).finish();
    let mut field = FieldBuilder::new(&mut builder);
    field.add_name(name);
    field.add_type_type(Type::Null);
    field.add_type_(null.as_union_value());
    let mut inner = field.finish();
    for _ in 0..levels {
        let children = builder.create_vector(&[inner, inner]);
        let nested = Struct_Builder::new(&mut builder).finish();
        let mut field = FieldBuilder::new(&mut builder);
        field.add_name(name);
        field.add_type_type(Type::Struct_);
        field.add_type_(nested.as_union_value());
        field.add_children(children);
        inner = field.finish();
    }
    let fields = builder.create_vector(&[inner]);
    let mut schema = SchemaBuilder::new(&mut builder);
    schema.add_fields(fields);
    let schema = schema.finish();
    let mut message = MessageBuilder::new(&mut builder);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::Schema);
    message.add_header(schema.as_union_value());
    let message = message.finish();
    builder.finish(message, None);
    let length = builder.finished_data().len().next_multiple_of(8);
    let mut message = [&[0xff; 4], &(length as u32).to_le_bytes()[..], builder.finished_data()].concat();
    message.resize(8 + length, 0);

    let mut builder = FlatBufferBuilder::new();
    let bytes = i32::try_from(message.len()).unwrap();
    let blocks = (0_i64..).take(batches).map(|number| Block::new(8 + number * i64::from(bytes), bytes, 0));
    let blocks = builder.create_vector(&blocks.collect::<Vec<_>>());
    let no_fields = builder.create_vector::<flatbuffers::ForwardsUOffset<arrow_ipc::Field<'_>>>(&[]);
    let mut schema = SchemaBuilder::new(&mut builder);
    schema.add_fields(no_fields);
    let schema = schema.finish();
    let mut footer = FooterBuilder::new(&mut builder);
    footer.add_recordBatches(blocks);
    footer.add_schema(schema);
    let footer = footer.finish();
    builder.finish(footer, None);
    let footer = builder.finished_data();
    let batches = message.repeat(batches);
    [b"ARROW1\0\0", &batches[..], footer, &(footer.len() as u32).to_le_bytes(), b"ARROW1"].concat()
}

pub(crate) fn footer(file: &[u8]) -> Footer<'_> {
    let (before, tail) = file.split_last_chunk::<10>().unwrap();
    let length = arrow_ipc::reader::read_footer_length(*tail).unwrap();
    root_as_footer(&before[before.len() - length..]).unwrap()
}

pub(crate) fn message<'a>(file: &'a [u8], block: &Block) -> Message<'a> {
    root_as_message(&file[block.offset() as usize + 8..]).unwrap()
}

/// Where in the file lies what was parsed from it.
pub(crate) fn place<T>(file: &[u8], parsed: &T) -> usize {
    std::ptr::from_ref(parsed).addr() - file.as_ptr().addr()
}

/// Where in the file a number of a table lies.
pub(crate) fn table_place(file: &[u8], table: flatbuffers::Table<'_>, field: u16) -> usize {
    place(file, &table.buf()[0]) + table.loc() + usize::from(table.vtable().get(field))
}

/// Where the buffers of a message lie.
pub(crate) fn buffers(file: &[u8], block: &Block) -> Vec<Range<usize>> {
    let message = message(file, block);
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let batch = message.header_as_record_batch().or(dictionary).unwrap();
    let body = block.offset() as usize + block.metaDataLength() as usize;
    let range = |buffer: &arrow_ipc::Buffer| {
        let start = body + buffer.offset() as usize;
        start..start + buffer.length() as usize
    };
    batch.buffers().unwrap().iter().map(range).collect()
}

/// Everywhere in a file where a length, an offset or a count stands.
pub(crate) fn numbers(file: &[u8]) -> Vec<usize> {
    let footer = footer(file);
    let mut places = vec![file.len() - 10];
    for block in footer.recordBatches().into_iter().chain(footer.dictionaries()).flatten() {
        let at = place(file, block);
        places.extend([at, at + 8, at + 16]);
        places.extend(buffers(file, block).iter().filter(|buffer| !buffer.is_empty()).map(|buffer| buffer.start));
        let message = message(file, block);
        let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
        let batch = message.header_as_record_batch().or(dictionary).unwrap();
        places.push(table_place(file, batch._tab, arrow_ipc::RecordBatch::VT_LENGTH));
        places.extend(batch.nodes().unwrap().iter().flat_map(|node| [place(file, node), place(file, node) + 8]));
        places
            .extend(batch.buffers().unwrap().iter().flat_map(|buffer| [place(file, buffer), place(file, buffer) + 8]));
    }
    places
}
