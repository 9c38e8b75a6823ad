//! Attributes from sources of every form to the columns of the artifact.

mod tables;
mod text;

use std::fmt::Write as _;
use std::fs::File;

use arrow_array::builder::{ListBuilder, StringBuilder, StringDictionaryBuilder, StringRunBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Int8Type, Int32Type};
use arrow_array::*;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::DataType;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::catalog::source::{Dialect, Mapping, Wanted, open};
use crate::embed::{Limits, MemoryModels, Purpose};

/// What came of a build.
#[derive(Debug)]
struct Made {
    batch: RecordBatch,
    metadata: Option<String>,
    rejects: String,
    notes: Vec<String>,
}

impl Made {
    fn types(&self) -> String {
        let fields = self.batch.schema().fields().iter().skip(4).cloned().collect::<Vec<_>>();
        let fields = fields.iter().map(|field| match field.data_type() {
            DataType::List(item) => format!("{} [{}]", field.name(), item.data_type()),
            kind => format!("{} {kind}", field.name()),
        });
        fields.collect::<Vec<_>>().join(", ")
    }

    /// A column as JSON.
    fn column(&self, name: &str) -> Json {
        fn cell(array: &ArrayRef, row: usize) -> Json {
            if array.is_null(row) {
                return Json::Null;
            }
            match array.data_type() {
                DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
                DataType::Boolean => json!(array.as_boolean().value(row)),
                DataType::Int64 => json!(array.as_primitive::<types::Int64Type>().value(row)),
                DataType::UInt64 => json!(array.as_primitive::<types::UInt64Type>().value(row)),
                DataType::Float64 => json!(array.as_primitive::<types::Float64Type>().value(row)),
                DataType::Float32 => json!(array.as_primitive::<types::Float32Type>().value(row)),
                DataType::List(_) => {
                    let list = array.as_list::<i32>().value(row);
                    (0..list.len()).map(|at| cell(&list, at)).collect()
                }
                _ => json!(arrow_array_text(array, row)),
            }
        }
        let array = self.batch.column_by_name(name).unwrap();
        (0..array.len()).map(|row| cell(array, row)).collect()
    }
}

/// A date, a time or a narrow number as its bits.
fn arrow_array_text(array: &ArrayRef, row: usize) -> String {
    format!("{:?}", array.slice(row, 1).to_data().buffers()[0].typed_data::<u8>())
}

/// Builds from these files; each row brings its vector.
fn build_files(files: &[(&str, Vec<u8>)], attributes: &[&str], skips: bool) -> Result<Made, String> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input");
    std::fs::create_dir(&input).unwrap();
    for (name, bytes) in files {
        std::fs::write(input.join(name), bytes).unwrap();
    }
    let flags: Vec<String> = attributes.iter().map(|&flag| flag.to_owned()).collect();
    let mapping = Mapping::new(&[], None, true).unwrap().with_attributes(Wanted::new(&flags)?);
    let input = if let [(name, _)] = files { input.join(name) } else { input };
    let source = Source::new(open(&input).map_err(|error| error.to_string())?, mapping, Dialect::default());
    let (output, rejects) = (folder.path().join("catalog.arrow"), folder.path().join("rejects.csv"));
    let options = Options { output: output.clone(), rejects: skips.then(|| rejects.clone()), ..Options::default() };
    let build = Build::survey_source(source, options, &|_| {}).map_err(|error| error.to_string())?;
    let faults: Vec<String> = build
        .survey()
        .faults
        .first
        .iter()
        .map(|(place, what)| format!("{}: {what}", build.source().describe(*place)))
        .collect();
    let notes = build.survey().notes.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(build.finish(None, |_| {})).map_err(|error| format!("{error}; {}", faults.join("; ")))?;
    let reader = FileReader::try_new(File::open(output).unwrap(), None).unwrap();
    let metadata = reader.schema().metadata().get("nearline.attributes").cloned();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    let rejects = if skips { std::fs::read_to_string(rejects).unwrap() } else { String::new() };
    Ok(Made { batch: batches[0].clone(), metadata, rejects, notes })
}

fn build_text(content: &str, attributes: &[&str]) -> Result<Made, String> {
    build_files(&[("products", content.as_bytes().to_vec())], attributes, false)
}
