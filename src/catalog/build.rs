//! From a source to an artifact: read the products, embed what has no vector yet, write the file.
//!
//! Vectors that were paid for are kept in a journal beside the output until the artifact is whole, so that a build
//! that was stopped or throttled goes on where it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::names::Names;
use super::{CatalogError, Rows, artifact};
use crate::embed::{Embedder, Model};
use crate::fault::Fault;

/// Texts that wait for the embedder at once: enough to fill the calls of a model that takes many texts.
const TEXTS_IN_FLIGHT: usize = 1_024;
/// Attempts for one text, each after a longer pause: about two minutes of throttling.
const ATTEMPTS: u32 = 8;
/// Pause after the first failed attempt; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// One product of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Unique.
    pub product_id: String,
    /// Its category.
    pub category: String,
    /// What is embedded.
    pub text: String,
    /// What people see.
    pub title: Option<String>,
    /// A vector from elsewhere: then the text is not embedded.
    pub embedding: Option<Vec<f32>>,
}

/// Reads the products of a CSV file with the columns `product_id, category, text[, title][, embedding]` (an
/// embedding is a JSON array). Other columns are ignored.
///
/// # Errors
/// [`CatalogError::Invalid`], naming line and column.
pub fn read_csv(path: &Path) -> Result<Vec<Product>, CatalogError> {
    let file = File::open(path).map_err(|source| CatalogError::File { path: path.to_owned(), source })?;
    parse_csv(BufReader::new(file))
}

fn parse_csv(source: impl Read) -> Result<Vec<Product>, CatalogError> {
    let unreadable = |error: csv::Error| CatalogError::Invalid(format!("not readable as CSV: {error}"));
    let mut reader = csv::Reader::from_reader(source);
    let header = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}').trim() == name);
    let required = |name: &str| column(name).ok_or_else(|| CatalogError::Invalid(format!("column {name} is missing")));
    let (id, category, text) = (required("product_id")?, required("category")?, required("text")?);
    let (title, embedding) = (column("title"), column("embedding"));
    let mut products = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let invalid = |name: &str, fault: &str| CatalogError::Invalid(format!("line {line}, column {name}: {fault}"));
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let filled = |column: usize, name: &str| match cell(column) {
            "" => Err(invalid(name, "is empty")),
            value => Ok(value.to_owned()),
        };
        let embedding = match embedding.map(cell).filter(|cell| !cell.is_empty()) {
            Some(json) => Some(serde_json::from_str(json).map_err(|error| invalid("embedding", &error.to_string()))?),
            None => None,
        };
        if embedding.is_none() && cell(text).trim().is_empty() {
            return Err(invalid("text", "is empty, and there is no embedding"));
        }
        products.push(Product {
            product_id: filled(id, "product_id")?,
            category: filled(category, "category")?,
            text: cell(text).to_owned(),
            title: title.map(cell).filter(|title| !title.is_empty()).map(str::to_owned),
            embedding,
        });
    }
    if products.is_empty() {
        return Err(CatalogError::Invalid("the source has no rows".into()));
    }
    Ok(products)
}

/// Embeds what has no vector yet and writes the artifact to `output`, replacing it only when all is well.
/// `progress` is called with the number of products that have a vector.
///
/// # Errors
/// A [`Fault`] that outlasted every attempt (what was embedded until then is kept and used by the next build), or
/// whatever breaks the artifact's contract.
pub async fn build(
    products: Vec<Product>,
    model: &Model,
    dimension: usize,
    embedder: &Embedder,
    output: &Path,
    progress: impl Fn(usize),
) -> Result<(), CatalogError> {
    let ids = Names::unique(products.iter().map(|product| product.product_id.as_str()));
    if let Err((row, first)) = ids {
        return Err(CatalogError::repeated(&products[row].product_id, row, first));
    }
    let given = products.iter().map(|product| product.embedding.clone()).collect::<Vec<_>>();
    if let Some(row) = given.iter().position(|vector| vector.as_ref().is_some_and(|vector| vector.len() != dimension)) {
        let length = given[row].as_ref().map_or(0, Vec::len);
        let message = format!("row {row}, column embedding: has {length} numbers, the dimension is {dimension}");
        return Err(CatalogError::Invalid(message));
    }
    let mut journal = Journal::open(output, model.id(), dimension)?;
    let mut vectors = given;
    for (vector, product) in vectors.iter_mut().zip(&products) {
        if vector.is_none() {
            *vector = journal.get(&product.text);
        }
    }
    let mut done = vectors.iter().flatten().count();
    progress(done);
    let missing: Vec<usize> = (0..vectors.len()).filter(|&row| vectors[row].is_none()).collect();
    let texts = &products;
    let mut embedded = stream::iter(missing)
        .map(|row| async move {
            let Product { product_id, text, .. } = &texts[row];
            let vector = embed_patiently(embedder, text).await;
            vector
                .map(|vector| (row, vector))
                .map_err(|fault| fault.context(&format!("row {row}, product `{product_id}`")))
        })
        .buffer_unordered(TEXTS_IN_FLIGHT);
    while let Some((row, vector)) = embedded.try_next().await? {
        journal.put(&products[row].text, &vector)?;
        vectors[row] = Some(vector);
        done += 1;
        progress(done);
    }
    drop(embedded);
    let mut rows = Rows { dimension, ..Rows::default() };
    for (product, vector) in products.into_iter().zip(vectors) {
        rows.product_ids.push(product.product_id);
        rows.categories.push(product.category);
        rows.titles.push(product.title);
        rows.vectors.extend(vector.unwrap_or_default());
    }
    write(rows, model.id(), output)?;
    journal.remove()
}

/// Writes beside the output first, and checks: what cannot be loaded must not replace what can.
fn write(rows: Rows, model_id: &str, output: &Path) -> Result<(), CatalogError> {
    let file_error = |source| CatalogError::File { path: output.to_owned(), source };
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(file_error)?;
    artifact::write(std::io::BufWriter::new(file.as_file_mut()), &rows, model_id)?.flush().map_err(file_error)?;
    super::Catalog::new(rows, String::new(), None, &super::Indexing::default())?;
    file.as_file().sync_all().map_err(file_error)?;
    file.persist(output).map_err(|error| file_error(error.error))?;
    Ok(())
}

async fn embed_patiently(embedder: &Embedder, text: &str) -> Result<Vec<f32>, Fault> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match embedder.embed(text).await {
            Ok(embedding) => return Ok(embedding.vector.clone()),
            Err(Fault::Retry(cause)) => {
                tracing::debug!(cause, "an embedding is tried again");
                tokio::time::sleep(pause.mul_f64(fastrand::f64() + 0.5)).await;
                pause *= 2;
            }
            Err(permanent) => return Err(permanent),
        }
    }
    embedder.embed(text).await.map(|embedding| embedding.vector.clone())
}

/// Vectors by the hash of what they are of, on disk: entries of a 32-byte key and the numbers in little-endian order.
struct Journal {
    path: PathBuf,
    file: File,
    salt: String,
    vectors: HashMap<[u8; 32], Vec<f32>>,
}

impl Journal {
    fn open(output: &Path, model_id: &str, dimension: usize) -> Result<Self, CatalogError> {
        let mut path = output.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let file_error = |source| CatalogError::File { path: path.clone(), source };
        let mut bytes = Vec::new();
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(file_error)?;
        file.read_to_end(&mut bytes).map_err(file_error)?;
        let entry = 32 + dimension * size_of::<f32>();
        // A build that was killed can leave half an entry; one of another dimension yields keys that nothing asks for.
        let whole = bytes.len() - bytes.len() % entry;
        file.set_len(whole as u64).map_err(file_error)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).map_err(file_error)?;
        let mut vectors = HashMap::new();
        for entry in bytes[..whole].chunks_exact(entry) {
            let (key, numbers) = entry.split_at(32);
            let numbers = numbers.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            vectors.insert(key.try_into().expect("split at 32 bytes"), numbers);
        }
        Ok(Self { file, salt: format!("{model_id}\0{dimension}\0"), vectors, path })
    }

    fn key(&self, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(&self.salt).chain_update(text).finalize().into()
    }

    fn get(&self, text: &str) -> Option<Vec<f32>> {
        self.vectors.get(&self.key(text)).cloned()
    }

    fn put(&mut self, text: &str, vector: &[f32]) -> Result<(), CatalogError> {
        let mut entry = self.key(text).to_vec();
        entry.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
        self.file.write_all(&entry).map_err(|source| CatalogError::File { path: self.path.clone(), source })
    }

    fn remove(self) -> Result<(), CatalogError> {
        std::fs::remove_file(&self.path).map_err(|source| CatalogError::File { path: self.path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(csv: &str) -> String {
        parse_csv(csv.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let csv = "text,extra,title,category,product_id,embedding\nred mug,1,Mug,mugs,a,\n,2,,tea,b,\"[0.5,1]\"\n";
        let products = parse_csv(csv.as_bytes()).unwrap();
        assert_eq!(products[0].title.as_deref(), Some("Mug"));
        assert_eq!((products[1].title.as_deref(), products[1].embedding.as_deref()), (None, Some(&[0.5, 1.0][..])));
    }

    #[test]
    fn faults_name_line_and_column() {
        assert!(fault("product_id,text\na,x\n").contains("column category is missing"));
        assert!(fault("product_id,category,text\na,c,x\nb,,y\n").contains("line 3, column category: is empty"));
        assert!(fault("product_id,category,text\na,c, \n").contains("line 2, column text: is empty"));
        assert!(fault("product_id,category,text,embedding\na,c,x,nope\n").contains("line 2, column embedding"));
        assert!(fault("product_id,category,text\n").contains("has no rows"));
        assert!(fault("product_id,category,text\na,c\n").contains("not readable as CSV"));
    }

    #[test]
    fn a_journal_survives_a_killed_build() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("catalog.arrow");
        let mut journal = Journal::open(&output, "model", 2).unwrap();
        journal.put("mug", &[1.5, -2.0]).unwrap();
        journal.file.write_all(&[7; 9]).unwrap();
        drop(journal);
        let mut journal = Journal::open(&output, "model", 2).unwrap();
        assert_eq!(journal.get("mug"), Some(vec![1.5, -2.0]));
        journal.put("cup", &[3.0, 4.0]).unwrap();
        let reopened = Journal::open(&output, "model", 2).unwrap();
        assert_eq!(reopened.get("cup"), Some(vec![3.0, 4.0]));
        assert_eq!(Journal::open(&output, "other model", 2).unwrap().get("mug"), None);
        reopened.remove().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
