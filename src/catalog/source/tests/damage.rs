//! Tables that are damaged, or are what nobody meant: an error, never a panic, and never fewer rows in silence.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int32Array, ListArray, RecordBatch, StringArray, UnionArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Schema, UnionFields};

use super::*;

/// Damaged copies of each file.
const COPIES: u64 = 400;
/// No small file takes longer, even unoptimised and beside other work.
const TIME_MAX: Duration = Duration::from_secs(5);

fn batch(first: usize, rows: usize) -> RecordBatch {
    let texts = |prefix: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((first..first + rows).map(|row| format!("{prefix}{row}"))))
    };
    let numbers = (first..first + rows).map(|row| Some([1.0, row as f32].map(Some)));
    let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(numbers, 2);
    RecordBatch::try_from_iter([
        ("product_id", texts("p")),
        ("category", texts("c")),
        ("embedding", Arc::new(vectors) as ArrayRef),
    ])
    .unwrap()
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut stream = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    stream.write(batch).unwrap();
    stream.into_inner().unwrap()
}

fn file(batch: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
    let mut file = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    file.write(batch).unwrap();
    file.into_inner().unwrap()
}

fn parquet(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_write_page_header_statistics(true)
        .set_data_page_row_count_limit(40)
        .set_max_row_group_row_count(Some(70))
        .build();
    let mut file = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    file.write(batch).unwrap();
    file.into_inner().unwrap()
}

#[test]
fn streams_one_after_the_other_are_read_all_and_what_else_follows_is_named() {
    let (one, other) = (stream(&batch(0, 3)), stream(&batch(3, 2)));
    let unended = &one[..one.len() - 8];
    let all = ["p0", "p1", "p2", "p3", "p4"];
    for together in [[&one[..], &other].concat(), [unended, &other].concat(), [&one[..], &other, &[0; 100]].concat()] {
        let found = rows(together).unwrap();
        assert_eq!((ids(&found), places(&found)[4]), (all.to_vec(), "row 4"));
    }
    let odd = batch(3, 2).project(&[2, 0, 1]).unwrap();
    let error = rows([&one[..], &stream(&odd)].concat()).unwrap_err();
    let place = format!("at byte {} another Arrow stream begins, with other columns", one.len());
    assert!(error.contains(&place), "{error}");
    for (more, what) in [
        (&b"product_id,category\n"[..], "are 20 bytes that are not another stream"),
        (b"abc", "the stream is cut short: a message at byte"),
        (&one[one.len() - 8..], ""),
    ] {
        let read = rows([&one[..], more].concat());
        match read {
            Ok(found) => assert!(what.is_empty() && found.len() == 3),
            Err(error) => assert!(!what.is_empty() && error.contains(what), "{error}"),
        }
    }
    // A dictionary is of its own stream.
    let category = |values: &[&str]| -> ArrayRef {
        Arc::new(values.iter().copied().collect::<arrow_array::DictionaryArray<arrow_array::types::Int32Type>>())
    };
    let keyed = |first, values: &[&str]| {
        let plain = batch(first, values.len());
        let columns = [plain.column(0), &category(values), plain.column(2)];
        let names = ["product_id", "category", "embedding"];
        stream(&RecordBatch::try_from_iter(names.into_iter().zip(columns.map(Arc::clone))).unwrap())
    };
    let found = rows([keyed(0, &["x", "y"]), keyed(2, &["z", "x"])].concat()).unwrap();
    let categories: Vec<&str> = found.iter().map(|(_, row)| row.as_ref().unwrap().category.as_str()).collect();
    assert_eq!(categories, ["x", "y", "z", "x"]);
}

#[test]
fn files_one_after_the_other_are_an_error() {
    let (one, other) = (batch(0, 3), batch(3, 3));
    let arrow = [file(&one, None), file(&other, None)].concat();
    assert!(rows(arrow).unwrap_err().contains("several Arrow files one after the other"));
    let parquet = [parquet(&one, Compression::SNAPPY), parquet(&other, Compression::SNAPPY)].concat();
    assert!(rows(parquet).unwrap_err().contains("several Parquet files one after the other"));
}

#[test]
fn parquet_whose_footer_does_not_fit_its_rows_is_damaged() {
    let whole = parquet(&batch(0, 200), Compression::SNAPPY);
    let mut shorter = whole.clone();
    shorter.drain(20..2_000);
    let error = rows(shorter).unwrap_err();
    assert!(error.contains("the file is damaged: row group "), "{error}");
    assert!(rows([&whole[..whole.len() - 8], &[0; 4], &whole[whole.len() - 8..]].concat()).is_err());
}

#[test]
fn maps_and_unions_are_refused_for_what_they_are_and_passed_over_if_nobody_asks() {
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for _ in 0..3 {
        map.keys().append_value("k");
        map.values().append_value("v");
        map.append(true).unwrap();
    }
    let map: ArrayRef = Arc::new(map.finish());
    let fields = UnionFields::try_new([0], [Field::new("a", DataType::Int32, true)]).unwrap();
    let union = |offsets: Option<Vec<i32>>| -> ArrayRef {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let offsets = offsets.map(Into::into);
        Arc::new(UnionArray::try_new(fields.clone(), vec![0_i8; 3].into(), offsets, vec![numbers]).unwrap())
    };
    let plain = batch(0, 3);
    for (odd, named) in [(map, "Map("), (union(None), "Union("), (union(Some(vec![0, 1, 2])), "Union(")] {
        for place in ["product_id", "category", "embedding", "price"] {
            let columns = ["product_id", "category", "embedding"].into_iter().zip(plain.columns().to_vec());
            let mut columns: Vec<(&str, ArrayRef)> = columns.filter(|(name, _)| *name != place).collect();
            columns.insert(0, (place, Arc::clone(&odd)));
            let table = RecordBatch::try_from_iter(columns).unwrap();
            let mut tables = vec![stream(&table), file(&table, None), file(&table, Some(CompressionType::ZSTD))];
            if named == "Map(" {
                tables.push(self::parquet(&table, Compression::UNCOMPRESSED));
            }
            for table in tables {
                match rows(table) {
                    Ok(found) => assert_eq!((place, ids(&found)), ("price", vec!["p0", "p1", "p2"])),
                    Err(error) => {
                        assert!(place != "price" && error.contains(&format!("column {place}: is {named}")), "{error}");
                    }
                }
            }
        }
    }
}

#[test]
fn vectors_that_are_mostly_null_or_zero_are_read_however_they_compress() {
    const ROWS: usize = 40_000;
    const SIZE: i32 = 2_048;
    const DIMENSION: usize = SIZE as usize;
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("product {row}"))));
    let numbers = || -> ArrayRef {
        let mut numbers = vec![0.0; ROWS * DIMENSION];
        numbers.iter_mut().step_by(DIMENSION).for_each(|number| *number = 1.0);
        Arc::new(Float32Array::from(numbers))
    };
    let item = || Arc::new(Field::new("item", DataType::Float32, true));
    let nulls = NullBuffer::from((0..ROWS).map(|row| row % 1_000 == 0).collect::<Vec<_>>());
    let offsets = OffsetBuffer::from_repeated_length(DIMENSION, ROWS);
    let layouts: [(ArrayRef, usize); 3] = [
        (Arc::new(FixedSizeListArray::new(item(), SIZE, numbers(), Some(nulls))), ROWS / 1_000),
        (Arc::new(FixedSizeListArray::new(item(), SIZE, numbers(), None)), ROWS),
        (Arc::new(ListArray::new(item(), offsets, numbers(), None)), ROWS),
    ];
    for (vectors, expected) in layouts {
        let columns = [
            ("product_id", Arc::clone(&ids)),
            ("category", Arc::clone(&ids)),
            ("text", Arc::clone(&ids)),
            ("embedding", vectors),
        ];
        let table = file(&RecordBatch::try_from_iter(columns).unwrap(), Some(CompressionType::ZSTD));
        assert!(table.len() < 4 << 20, "{}", table.len());
        let found = rows(table).unwrap();
        let with_vector = found.iter().filter(|(_, row)| row.as_ref().unwrap().embedding.is_some()).count();
        assert_eq!((found.len(), with_vector), (ROWS, expected));
    }
}

#[test]
fn a_tensor_of_several_dimensions_is_refused() {
    let plain = batch(0, 3);
    for (shape, is_read) in [("[2]", true), ("[1, 2]", false), ("[2,1]", false), ("[]", false)] {
        let metadata = HashMap::from([
            ("ARROW:extension:name".to_owned(), "arrow.fixed_shape_tensor".to_owned()),
            ("ARROW:extension:metadata".to_owned(), format!("{{\"shape\": {shape}}}")),
        ]);
        let mut fields: Vec<Field> = plain.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[2].set_metadata(metadata);
        let table = RecordBatch::try_new(Arc::new(Schema::new(fields)), plain.columns().to_vec()).unwrap();
        for table in [stream(&table), file(&table, None), self::parquet(&table, Compression::UNCOMPRESSED)] {
            match rows(table) {
                Ok(found) => assert!(is_read && found.len() == 3, "{shape}"),
                Err(error) => {
                    assert!(!is_read && error.contains("column embedding: is a tensor of the shape ("), "{error}");
                }
            }
        }
    }
}

#[test]
fn damage_to_a_table_is_an_error_or_passes_but_no_panic_and_no_end_of_waiting() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    let mut kept: Vec<PathBuf> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    let kept = kept.into_iter().map(|path| fs::read(path).unwrap());
    let doubles = (0..200).map(|row| Some([Some(0.1 * f64::from(row)), Some(1.0)]));
    let plain = batch(0, 200);
    let columns = [
        plain.column(0),
        plain.column(1),
        &(Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(doubles)) as _),
    ];
    let names = ["product_id", "category", "embedding"];
    let lists = RecordBatch::try_from_iter(names.into_iter().zip(columns.map(Arc::clone))).unwrap();
    let compressions =
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default()), Compression::LZ4_RAW];
    let written =
        compressions.into_iter().flat_map(|compression| [parquet(&plain, compression), parquet(&lists, compression)]);
    let files: Vec<Vec<u8>> =
        kept.chain(written).chain([stream(&lists), file(&lists, Some(CompressionType::LZ4_FRAME))]).collect();
    let folder = Folder::new();
    for (number, whole) in files.iter().enumerate() {
        for seed in 0..COPIES {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut damaged = whole.clone();
            // As often in the footer, of which a byte says more than one of the data.
            let from = if random.bool() { 0 } else { damaged.len().saturating_sub(2_000) };
            match random.u8(..8) {
                0 => damaged.truncate(random.usize(..damaged.len())),
                1 => drop(damaged.drain(random.usize(from..damaged.len())..)),
                2 => {
                    let at = random.usize(from..damaged.len());
                    let end = damaged.len().min(at + random.usize(1..64));
                    damaged.drain(at..end);
                }
                _ => {
                    for _ in 0..random.usize(1..5) {
                        let at = random.usize(from..damaged.len());
                        damaged[at] = if random.bool() { random.u8(..) } else { damaged[at] ^ (1 << random.u8(..8)) };
                    }
                }
            }
            let path = folder.put("damaged", &damaged);
            let started = Instant::now();
            let read = std::panic::catch_unwind(|| read(&path));
            assert!(read.is_ok(), "file {number}, seed {seed} panics");
            assert!(started.elapsed() < TIME_MAX, "file {number}, seed {seed}: {:?}", started.elapsed());
        }
    }
}
