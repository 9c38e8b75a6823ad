//! The catalog that is searched, and the vectors that the model answers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field};
use fastrand::Rng;
use ndarray::Array2;
use ndarray_npy::{ReadNpyExt, write_npy};

use crate::Fault;

const ROWS: usize = 100_000;
const DIMENSION: usize = 384;
const CATEGORIES: usize = 20;
const CENTRES: usize = 1_000;
/// Vectors that texts are given in turn.
const QUERIES: usize = 4_096;
pub(crate) const MODEL: &str = "amazon.nova-2-multimodal-embeddings-v1:0";

/// What the bench has made on disk.
#[derive(Debug)]
pub(crate) struct Files {
    /// The catalog as nearline reads it.
    pub(crate) catalog: PathBuf,
    /// The vectors of the texts, as a matrix.
    pub(crate) queries: PathBuf,
    /// Rows, categories and ids for programs that read no Arrow.
    pub(crate) rows: PathBuf,
    /// The model's answers, by text.
    pub(crate) answers: Vec<String>,
}

impl Files {
    /// Makes what is not there yet.
    pub(crate) fn make(folder: &Path, nearline: &Path) -> Result<Self, Fault> {
        fs::create_dir_all(folder)?;
        let [catalog, queries, rows] = ["catalog.arrow", "queries.npy", "rows.npy"].map(|name| folder.join(name));
        if !catalog.exists() {
            let mut rng = Rng::with_seed(7);
            let centres = Array2::from_shape_simple_fn((CENTRES, DIMENSION), || rng.f32() - 0.5);
            let vectors = clustered(&mut rng, &centres, ROWS);
            write_npy(&queries, &clustered(&mut rng, &centres, QUERIES))?;
            write_npy(&rows, &vectors)?;
            let products = folder.join("products.arrow");
            write_products(&products, vectors)?;
            let mut build = Command::new(nearline);
            build.args(["catalog", "build", "--model", MODEL, "--input"]).arg(&products).arg("--output").arg(&catalog);
            if !build.status()?.success() {
                return Err("the catalog could not be built".into());
            }
            fs::remove_file(products)?;
        }
        let vectors = Array2::<f32>::read_npy(File::open(&queries)?)?;
        let answers = vectors.rows().into_iter().map(|row| {
            let numbers: Vec<String> = row.iter().map(ToString::to_string).collect();
            format!(r#"{{"embeddings":[{{"embeddingType":"TEXT","embedding":[{}]}}]}}"#, numbers.join(","))
        });
        Ok(Self { answers: answers.collect(), catalog, queries, rows })
    }
}

/// Unit vectors at half a centre's length from their centres.
fn clustered(rng: &mut Rng, centres: &Array2<f32>, rows: usize) -> Array2<f32> {
    let mut vectors = Array2::zeros((rows, DIMENSION));
    for mut row in vectors.rows_mut() {
        row.assign(&centres.row(rng.usize(..CENTRES)));
        row.map_inplace(|component| *component += 0.5 * (rng.f32() - 0.5));
        let norm = row.dot(&row).sqrt();
        row.map_inplace(|component| *component /= norm);
    }
    vectors
}

/// Category of a row; the engine in Python counts the same way.
fn category(row: usize) -> String {
    format!("category-{:02}", row % CATEGORIES)
}

fn write_products(path: &Path, vectors: Array2<f32>) -> Result<(), Fault> {
    let column = |text: fn(usize) -> String| Arc::new(StringArray::from_iter_values((0..ROWS).map(text))) as ArrayRef;
    let numbers = Arc::new(Float32Array::from(vectors.into_raw_vec_and_offset().0));
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let vectors = FixedSizeListArray::try_new(item, i32::try_from(DIMENSION)?, numbers, None)?;
    let batch = RecordBatch::try_from_iter([
        ("product_id", column(|row| format!("product-{row:06}"))),
        ("category", column(category)),
        ("text", column(|row| format!("Product {row}"))),
        ("title", column(|row| format!("A Product with a Title of Usual Length, Number {row}"))),
        ("embedding", Arc::new(vectors) as ArrayRef),
    ])?;
    let mut writer = FileWriter::try_new(File::create(path)?, &batch.schema())?;
    writer.write(&batch)?;
    Ok(writer.finish()?)
}
