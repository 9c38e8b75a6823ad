//! A damaged artifact is an error: it ends no process, and takes no more memory than its bytes can be worth.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod files;

use std::io::Cursor;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

use allocation_counter::measure;
use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, StructArray};
use arrow_ipc::{Block, CompressionType, DictionaryBatch, RecordBatch};
use arrow_schema::{DataType, Field};
use nearline::catalog::artifact::{self, Artifact};
use nearline::catalog::store::load_bytes;
use nearline::catalog::{Catalog, Indexing};
use nearline_search::Kernel;
use proptest::prelude::*;

use files::{CODECS, DIMENSION, ROWS, buffers, dictionary, embeddings, footer, message, numbered, numbers, place};
use files::{shared_fields, shared_name, table_place, usual, utf8, views, write};

const MIB: u64 = 1 << 20;
/// More than any machine has.
const HUGE: i64 = 1 << 45;
const LAYOUTS: [fn(&[String]) -> ArrayRef; 3] = [utf8, views, dictionary];

/// What became of a file, and the most memory that it took.
fn read(file: &[u8]) -> (Result<Artifact, String>, u64) {
    let mut read = None;
    // A panic must not pass through the one who measures.
    let memory = measure(|| read = Some(catch_unwind(|| artifact::read(Cursor::new(file)))));
    match read.unwrap() {
        Ok(read) => (read.map_err(|error| error.to_string()), memory.bytes_max),
        Err(panic) => resume_unwind(panic),
    }
}

/// The message with which a file is refused, which takes little memory.
fn refusal(file: &[u8]) -> String {
    let (read, memory) = read(file);
    assert!(memory < 4 * MIB + 2 * file.len() as u64, "{memory} bytes: {read:?}");
    read.unwrap_err()
}

fn put(file: &mut [u8], at: usize, number: i64) {
    file[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

fn record_batch(file: &[u8]) -> &Block {
    footer(file).recordBatches().unwrap().get(1)
}

#[test]
fn a_compressed_length_that_no_memory_holds_is_refused() {
    for codec in CODECS.into_iter().flatten() {
        // Validity, offsets and text of the titles; validity and numbers of the embeddings.
        for (buffer, column) in [(6, "title"), (7, "title"), (8, "title"), (11, "embedding")] {
            let mut file = usual(utf8, Some(codec));
            let mut place = buffers(&file, record_batch(&file))[buffer].clone();
            if place.is_empty() {
                continue;
            }
            put(&mut file, place.next().unwrap(), HUGE);
            let message = refusal(&file);
            let start = format!("record batch 1, column {column}: a buffer declares {HUGE} bytes, it can hold ");
            assert!(message.contains(&start), "{message}");
        }
    }
}

#[test]
fn a_length_of_dictionary_values_is_refused_and_of_an_unread_dictionary_not_looked_at() {
    for codec in CODECS.into_iter().flatten() {
        let file = usual(dictionary, Some(codec));
        let dictionaries = footer(&file).dictionaries().unwrap();
        for (number, (block, column)) in
            dictionaries.iter().zip(["product_id", "category", "title", "", "notes"]).enumerate()
        {
            let mut damaged = file.clone();
            put(&mut damaged, buffers(&file, block)[2].start, HUGE);
            if number < 3 {
                let message = refusal(&damaged);
                let start = format!("dictionary batch {number}, column {column}: a buffer declares {HUGE} bytes");
                assert!(message.contains(&start), "{message}");
            } else {
                assert_eq!(read(&damaged).0.unwrap().rows.product_ids.len(), 2 * ROWS);
            }
        }
    }
}

#[test]
fn a_small_file_that_expands_to_hundreds_of_megabytes_is_refused() {
    let titles = vec!["a".repeat(30 << 20); 10];
    let columns = |titles| {
        let column = |name: &'static str| (name, utf8(&numbered(name, 10)));
        vec![column("product_id"), column("category"), ("title", titles), ("embedding", embeddings(10, 2))]
    };
    let file = write(&[columns(utf8(&titles))], Some(CompressionType::ZSTD));
    let message = refusal(&file);
    assert!(message.contains("record batch 0, column title: takes 3145"), "{message}");
}

#[test]
fn one_text_in_every_row_is_counted_as_often_as_it_is_copied() {
    let texts = vec!["a".repeat(128 << 10); 4_000];
    let one = views(&texts[..1]);
    let mut same_views = StringViewBuilder::new();
    let block = same_views.append_block(one.as_string_view().data_buffers()[0].clone());
    for text in &texts {
        same_views.try_append_view(block, 0, text.len() as u32).unwrap();
    }
    // One copy of the text, and in each row a view or a key of it.
    for title in [Arc::new(same_views.finish()), dictionary(&texts)] {
        let column = |name: &'static str| (name, utf8(&numbered(name, texts.len())));
        let columns =
            vec![column("product_id"), column("category"), ("title", title), ("embedding", embeddings(texts.len(), 2))];
        let file = write(&[columns], None);
        assert!(file.len() < 1 << 20, "{}", file.len());
        let (read, memory) = read(&file);
        let message = read.unwrap_err();
        assert!(message.contains("column title: takes") && memory < 400 * MIB, "{memory} bytes: {message}");
    }
}

#[test]
fn lengths_of_the_footer_and_its_blocks_are_held_against_the_file() {
    let file = usual(utf8, None);
    let length = file.len();
    let block = place(&file, record_batch(&file));
    // The length of the body, of the metadata, and the offset.
    for (at, declared) in [(block + 16, 1 << 33), (block + 16, HUGE), (block + 16, -8), (block + 8, -1), (block, -8)] {
        let mut damaged = file.clone();
        put(&mut damaged, at, declared);
        let message = refusal(&damaged);
        assert!(
            message.contains("record batch 1: ") && message.contains(&format!("the file has {length}")),
            "{message}"
        );
    }
    let mut damaged = file.clone();
    damaged[length - 10..length - 6].copy_from_slice(&i32::MAX.to_le_bytes());
    assert!(refusal(&damaged).contains("its footer declares 2147483647 bytes"));
}

#[test]
fn a_part_that_the_footer_names_many_times_is_not_read_many_times() {
    let batch = |rows: usize| {
        let column = |name: &'static str| (name, utf8(&numbered(name, rows)));
        vec![column("product_id"), column("category"), ("embedding", embeddings(rows, DIMENSION))]
    };
    let batches: Vec<_> = [5_000].into_iter().chain([1; 100]).map(batch).collect();
    let mut file = write(&batches, None);
    let blocks = footer(&file).recordBatches().unwrap();
    let places: Vec<_> = blocks.iter().map(|block| place(&file, block)).collect();
    for &at in &places {
        file.copy_within(places[0]..places[0] + size_of::<Block>(), at);
    }
    let message = refusal(&file);
    assert!(message.contains("record batch 1: the parts up to it are longer than"), "{message}");
}

#[test]
fn declared_rows_are_held_against_what_the_columns_hold() {
    for rows in [-1, HUGE, i64::MAX] {
        let mut file = usual(utf8, None);
        let batch = message(&file, record_batch(&file)).header_as_record_batch().unwrap();
        let at = table_place(&file, batch._tab, RecordBatch::VT_LENGTH);
        put(&mut file, at, rows);
        let message = refusal(&file);
        assert!(message.contains("record batch 1") && message.contains(&rows.to_string()), "{message}");
    }
}

#[test]
fn a_dictionary_may_grow_but_not_be_replaced() {
    let batch = |titles: &[&str]| {
        let column = |name: &'static str| (name, utf8(&numbered(name, titles.len())));
        let titles = dictionary(&titles.iter().map(ToString::to_string).collect::<Vec<_>>());
        let embedding = embeddings(titles.len(), DIMENSION);
        vec![column("product_id"), column("category"), ("title", titles), ("embedding", embedding)]
    };
    let mut file = write(&[batch(&["mug", "cup"]), batch(&["mug", "cup", "pot"])], None);
    let titles = read(&file).0.unwrap().rows.titles;
    assert_eq!(titles.into_iter().flatten().collect::<Vec<_>>(), ["mug", "cup", "mug", "cup", "pot"]);

    let delta = message(&file, footer(&file).dictionaries().unwrap().get(1)).header_as_dictionary_batch().unwrap();
    let at = table_place(&file, delta._tab, DictionaryBatch::VT_ISDELTA);
    file[at] = 0;
    assert!(refusal(&file).contains("dictionary batch 1: replaces a dictionary"));
}

#[test]
fn a_name_that_many_columns_share_is_not_copied_for_each() {
    let file = shared_name(5_000, 100_000);
    assert!(file.len() < 500_000, "{}", file.len());
    assert!(refusal(&file).contains("its footer is damaged"));
    assert!(refusal(&shared_name(5_000, 10)).contains("column product_id is missing"));
}

#[test]
fn fields_that_share_their_children_are_not_visited_for_each() {
    let file = shared_fields(1_000, 17);
    assert!(file.len() < 2_000_000, "{}", file.len());
    let started = std::time::Instant::now();
    let message = refusal(&file);
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    assert!(message.contains("record batch 0: its metadata is damaged"), "{message}");
}

/// A file that is given a model.
fn named(bytes: &[u8]) -> Result<Artifact, String> {
    let [from, mut to] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
    std::fs::write(&from, bytes).unwrap();
    let sink = to.reopen().unwrap();
    assert!(artifact::name_model(from.path(), "model", sink).map_err(|error| error.to_string())?);
    Ok(artifact::read(&mut to).unwrap())
}

#[test]
fn a_model_is_not_given_to_a_file_whose_other_columns_are_damaged() {
    for codec in CODECS.into_iter().flatten() {
        for layout in LAYOUTS {
            let mut file = usual(layout, Some(codec));
            assert_eq!(named(&file).unwrap().model_id.as_deref(), Some("model"));
            // The last buffer is of the notes, which are not read: the text, or the keys of it.
            let place = buffers(&file, record_batch(&file)).into_iter().rfind(|place| !place.is_empty()).unwrap().start;
            put(&mut file, place, HUGE);
            artifact::read(&file[..]).unwrap();
            let message = named(&file).unwrap_err();
            assert!(message.contains(&format!("record batch 1: a buffer declares {HUGE} bytes")), "{message}");
        }
    }
}

#[test]
fn equal_rows_that_compress_by_thousands_are_read() {
    let rows = 50_000;
    let same = |text: &str| dictionary(&vec![text.to_owned(); rows]);
    let numbers = Float32Array::from(vec![0.5; rows * 64]);
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let vectors = FixedSizeListArray::new(item, 64, Arc::new(numbers), None);
    let columns = vec![
        ("product_id", same("always the same")),
        ("category", same("kettles and pots")),
        ("title", same("a kettle")),
        ("embedding", Arc::new(vectors) as ArrayRef),
    ];
    let file = write(&[columns], Some(CompressionType::ZSTD));
    assert!(file.len() * 200 < rows * 64 * 4, "{}", file.len());
    assert_eq!(read(&file).0.unwrap().rows.categories.len(), rows);
}

#[test]
fn vectors_that_are_nearly_all_zero_are_read_however_they_compress() {
    let (rows, size) = (40_000, 1_024);
    let dimension = size as usize;
    let mut numbers = vec![0.0; rows * dimension];
    numbers.iter_mut().step_by(dimension).for_each(|number| *number = 1.0);
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let vectors = FixedSizeListArray::new(item, size, Arc::new(Float32Array::from(numbers)), None);
    let column = |name: &'static str| (name, utf8(&numbered(name, rows)));
    let columns = vec![column("product_id"), column("category"), ("embedding", Arc::new(vectors) as ArrayRef)];
    let file = write(&[columns], Some(CompressionType::ZSTD));
    assert!(file.len() < 1 << 20, "{}", file.len());
    assert_eq!(read(&file).0.unwrap().rows.vectors.len(), rows * dimension);
}

/// What is done to a file.
#[derive(Debug, Clone)]
enum Damage {
    /// One of its lengths, offsets and counts is set.
    Number(prop::sample::Index, i64),
    /// Any byte is changed.
    Byte(prop::sample::Index, u8),
    /// The end is cut off.
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    let power = (0_u32..64, -1_i64..=1).prop_map(|(power, more)| (1_i64 << power).wrapping_add(more));
    let number = prop_oneof![3 => power, 2 => -2_i64..300, 1 => any::<i64>()];
    prop_oneof![
        6 => (index(), number).prop_map(|(place, number)| Damage::Number(place, number)),
        3 => (index(), 1_u8..).prop_map(|(place, change)| Damage::Byte(place, change)),
        1 => index().prop_map(Damage::Cut),
    ]
}

fn originals() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let names = [
        "pyarrow.arrow",
        "pyarrow-lz4-dictionary.arrow",
        "pyarrow-zstd-large.arrow",
        "polars.arrow",
        "attributes.arrow",
        "attributes-zstd.arrow",
        "attributes-empty.arrow",
    ];
    let kept = names.map(|name| std::fs::read(folder.join(name)).unwrap());
    let written = LAYOUTS.iter().flat_map(|&layout| CODECS.map(|codec| usual(layout, codec)));
    kept.into_iter().chain(written).collect()
}

/// Whether two catalogs have the same rows.
fn same(one: &Catalog, other: &Catalog) -> bool {
    let row = |catalog: &Catalog, row: u32| {
        let vector: Vec<u32> = catalog.index().row(row).iter().map(|value| value.to_bits()).collect();
        let category = catalog.category_name(catalog.index().category_of(row)).to_owned();
        (catalog.product_id(row).to_owned(), category, catalog.title(row).map(str::to_owned), vector)
    };
    let rows = one.rows() as u32;
    rows == other.rows() as u32 && (0..rows).all(|number| row(one, number) == row(other, number))
}

#[test]
fn damage_of_any_kind_is_an_error_or_passes_within_the_memory_of_a_file() {
    let files = originals();
    let numbers: Vec<_> = files.iter().map(|file| numbers(file)).collect();
    for file in &files {
        let (read, memory) = read(file);
        assert!(read.is_ok() && memory < 2 * MIB, "{memory} bytes: {read:?}");
        let loaded = load_bytes(&file.clone().into(), &Indexing::default());
        match (Catalog::new(read.unwrap().rows, "v".into(), None, Kernel::fastest()), loaded) {
            (Ok(built), Ok(loaded)) => assert!(same(&built, &loaded)),
            // Some have the same ids in each batch.
            (built, loaded) => assert_eq!(built.unwrap_err().to_string(), loaded.unwrap_err().to_string()),
        }
    }
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) };
    let several = prop::collection::vec(damage(), 1..4);
    proptest!(config, |(chosen in any::<prop::sample::Index>(), several in several)| {
        let number = chosen.index(files.len());
        let mut file = files[number].clone();
        for damage in &several {
            match damage {
                Damage::Number(place, value) => {
                    let at = place.get(&numbers[number]);
                    // Some numbers have four bytes; those after them are changed with them.
                    let end = (at + 8).min(file.len());
                    if let Some(bytes) = file.get_mut(*at..end) {
                        let length = bytes.len();
                        bytes.copy_from_slice(&value.to_le_bytes()[..length]);
                    }
                }
                Damage::Byte(place, change) if !file.is_empty() => {
                    let at = place.index(file.len());
                    file[at] ^= change;
                }
                Damage::Cut(place) if !file.is_empty() => file.truncate(place.index(file.len())),
                Damage::Byte(..) | Damage::Cut(_) => {}
            }
        }
        let (read, memory) = read(&file);
        prop_assert!(memory < 320 * MIB, "{} bytes", memory);
        // As a worker reads it: once, from start to end.
        let loaded = load_bytes(&file.into(), &Indexing::default()).map_err(|error| error.to_string());
        let kernel = Kernel::fastest();
        let built = read.and_then(|artifact| {
            Catalog::new(artifact.rows, "v".into(), None, kernel).map_err(|error| error.to_string())
        });
        prop_assert_eq!(built.as_ref().err().is_some(), loaded.as_ref().err().is_some(), "{:?}, {:?}", built, loaded);
        if let (Ok(built), Ok(loaded)) = (&built, &loaded) {
            prop_assert!(same(built, loaded));
        }
    });
}

#[test]
fn a_long_type_is_cut_in_the_message() {
    let fields = (0..1_536).map(|number| Field::new(format!("field {number}"), DataType::Float32, true));
    let embedding = StructArray::new_null(fields.collect(), 2);
    let column = |name: &'static str| (name, utf8(&numbered(name, 2)));
    let columns = vec![column("product_id"), column("category"), ("embedding", Arc::new(embedding) as ArrayRef)];
    let message = refusal(&write(&[columns], None));
    assert!(message.contains("column embedding must be FixedSizeList<Float32, D>, is Struct("), "{message}");
    assert!(message.len() < 300, "{message}");
}
