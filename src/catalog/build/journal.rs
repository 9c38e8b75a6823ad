//! Vectors that a build has paid for, on disk until its artifact is whole.
//!
//! One file for each output, model and dimension: a build never touches what another one paid for. It begins with a
//! line that says what it is of; entries follow, each the SHA-256 of a text, whether the model cut that, and the numbers
//! in little-endian order. Memory holds only the place of each vector.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Error, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};

use crate::catalog::CatalogError;
use crate::embed::Embedding;

/// SHA-256 of a text.
pub(super) type TextHash = [u8; 32];

/// Bytes of an entry before its numbers: the hash, and 1 if the model cut the text.
const ENTRY_HEAD_BYTES: usize = 33;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// What this build, or an earlier one of the same output, paid for.
    file: File,
    /// What another catalog had already; has no name.
    adopted: Option<File>,
    dimension: usize,
    places: HashMap<TextHash, Entry>,
    /// Where the next entry goes.
    end: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    is_adopted: bool,
    truncated: bool,
    /// Of the numbers.
    at: u64,
}

impl Journal {
    /// Opens the journal of a build, or begins one.
    ///
    /// # Errors
    /// [`CatalogError::File`]: it cannot be read or written, it is not of this model and dimension, or another build
    /// is writing it.
    pub(super) fn open(output: &Path, model_id: &str, dimension: usize) -> Result<Self, CatalogError> {
        let path = path(output, &format!("2\0{model_id}\0{dimension}\0"));
        let file_error = |source| CatalogError::File { path: path.clone(), source };
        let refused = |why: &str| file_error(Error::other(why));
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(file_error)?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(refused("another build is writing it: wait for that one, or stop it"));
        }
        let header = format!("nearline journal 2, model {model_id}, dimension {dimension}\n").into_bytes();
        let length = file.metadata().map_err(file_error)?.len();
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        let mut found = Vec::new();
        (&mut reader).take(header.len() as u64).read_to_end(&mut found).map_err(file_error)?;
        let mut journal = Self {
            path: path.clone(),
            file: file.try_clone().map_err(file_error)?,
            adopted: None,
            dimension,
            places: HashMap::new(),
            end: header.len() as u64,
        };
        if found != header {
            // A build that was killed can leave half a header.
            if !header.starts_with(&found) {
                return Err(refused("is not a journal of this model and dimension: move it away"));
            }
            file.write_all(&header[found.len()..]).map_err(file_error)?;
            return Ok(journal);
        }
        let entry_bytes = ENTRY_HEAD_BYTES + dimension * size_of::<f32>();
        let mut entry = vec![0; entry_bytes];
        while journal.end + entry_bytes as u64 <= length {
            reader.read_exact(&mut entry).map_err(file_error)?;
            journal.note(&entry, false, journal.end);
            journal.end += entry_bytes as u64;
        }
        if journal.end < length {
            file.set_len(journal.end).map_err(file_error)?;
        }
        Ok(journal)
    }

    /// The hash by which a text is found.
    pub(super) fn key(text: &str) -> TextHash {
        Sha256::digest(text).into()
    }

    /// The texts whose vectors are there.
    pub(super) fn keys(&self) -> impl Iterator<Item = &TextHash> {
        self.places.keys()
    }

    /// Whether the vector of a text is there.
    pub(super) fn has(&self, key: &TextHash) -> bool {
        self.places.contains_key(key)
    }

    /// The vector of a text, if it was paid for.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(super) fn get(&self, key: &TextHash) -> Result<Option<Embedding>, CatalogError> {
        let Some(entry) = self.places.get(key) else { return Ok(None) };
        let file = if entry.is_adopted { self.adopted.as_ref().unwrap_or(&self.file) } else { &self.file };
        let mut bytes = vec![0; self.dimension * size_of::<f32>()];
        file.read_exact_at(&mut bytes, entry.at).map_err(|source| self.error(source))?;
        Ok(Some(Embedding { vector: numbers(&bytes).collect(), truncated: entry.truncated }))
    }

    /// Keeps the vector of a text for this build and the next.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(super) fn put(&mut self, key: &TextHash, embedding: &Embedding) -> Result<(), CatalogError> {
        let entry = entry(key, embedding.truncated, &embedding.vector);
        self.file.write_all(&entry).map_err(|source| self.error(source))?;
        self.note(&entry, false, self.end);
        self.end += entry.len() as u64;
        Ok(())
    }

    /// Takes vectors over that another catalog has: they are found, but not kept.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(super) fn adopt(
        &mut self,
        vectors: impl Iterator<Item = Result<(TextHash, Vec<f32>), CatalogError>>,
    ) -> Result<(), CatalogError> {
        let file = tempfile::tempfile().map_err(|source| self.error(source))?;
        let (mut writer, mut at) = (std::io::BufWriter::with_capacity(1 << 20, &file), 0);
        for vector in vectors {
            let (key, vector) = vector?;
            if !self.has(&key) {
                let entry = entry(&key, false, &vector);
                writer.write_all(&entry).map_err(|source| self.error(source))?;
                self.note(&entry, true, at);
                at += entry.len() as u64;
            }
        }
        writer.flush().map_err(|source| self.error(source))?;
        drop(writer);
        self.adopted = Some(file);
        Ok(())
    }

    /// Deletes it: its vectors are in the artifact.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(super) fn remove(self) -> Result<(), CatalogError> {
        std::fs::remove_file(&self.path).map_err(|source| CatalogError::File { path: self.path, source })
    }

    fn note(&mut self, entry: &[u8], is_adopted: bool, at: u64) {
        let (head, vector) = entry.split_at(ENTRY_HEAD_BYTES);
        let Some((key, &[truncated])) = head.split_first_chunk::<32>() else { return };
        // What a damaged disk made of an entry would break every build: it is paid for once more.
        if numbers(vector).all(f32::is_finite) && numbers(vector).any(|number| number != 0.0) {
            let at = at + ENTRY_HEAD_BYTES as u64;
            self.places.insert(*key, Entry { is_adopted, truncated: truncated == 1, at });
        }
    }

    fn error(&self, source: Error) -> CatalogError {
        CatalogError::File { path: self.path.clone(), source }
    }
}

fn entry(key: &TextHash, truncated: bool, vector: &[f32]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(ENTRY_HEAD_BYTES + size_of_val(vector));
    entry.extend_from_slice(key);
    entry.push(u8::from(truncated));
    entry.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
    entry
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes))
}

/// `OUTPUT.partial-` and what tells models and dimensions apart.
fn path(output: &Path, salt: &str) -> PathBuf {
    let mut path = output.as_os_str().to_owned();
    path.push(format!(".partial-{}", &hex(&Sha256::digest(salt))[..8]));
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("catalog.arrow");
        (folder, output)
    }

    fn put(journal: &mut Journal, text: &str, vector: &[f32]) {
        let embedding = Embedding { vector: vector.to_vec(), truncated: text == "long" };
        journal.put(&Journal::key(text), &embedding).unwrap();
    }

    fn get(journal: &Journal, text: &str) -> Option<Vec<f32>> {
        let found = journal.get(&Journal::key(text)).unwrap();
        assert_eq!(found.as_ref().is_some_and(|found| found.truncated), found.is_some() && text == "long");
        found.map(|found| found.vector)
    }

    fn append(journal: &Path, bytes: &[u8]) {
        OpenOptions::new().append(true).open(journal).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn a_journal_survives_a_killed_build() {
        let (folder, output) = folder();
        let mut journal = Journal::open(&output, "model", 2).unwrap();
        put(&mut journal, "mug", &[1.5, -2.0]);
        append(&journal.path, &[7; 9]);
        drop(journal);
        let mut journal = Journal::open(&output, "model", 2).unwrap();
        assert_eq!(get(&journal, "mug"), Some(vec![1.5, -2.0]));
        put(&mut journal, "cup", &[3.0, 4.0]);
        drop(journal);
        let reopened = Journal::open(&output, "model", 2).unwrap();
        assert_eq!(get(&reopened, "cup"), Some(vec![3.0, 4.0]));
        let other = Journal::open(&output, "other model", 2).unwrap();
        assert_eq!(get(&other, "mug"), None);
        other.remove().unwrap();
        reopened.remove().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn another_model_or_dimension_leaves_what_was_paid_for() {
        let (_folder, output) = folder();
        let paid = [1.5, -2.0, 0.25];
        let mut journal = Journal::open(&output, "model", 3).unwrap();
        put(&mut journal, "mug", &paid);
        drop(journal);
        for (model, dimension) in [("model", 2), ("model", 5), ("other model", 3)] {
            let mut other = Journal::open(&output, model, dimension).unwrap();
            assert_eq!(get(&other, "mug"), None);
            put(&mut other, "mug", &vec![1.0; dimension]);
            other.remove().unwrap();
        }
        assert_eq!(get(&Journal::open(&output, "model", 3).unwrap(), "mug"), Some(paid.to_vec()));
    }

    #[test]
    fn half_a_header_is_completed_and_a_damaged_one_is_refused_and_left() {
        let (_folder, output) = folder();
        let journal = Journal::open(&output, "model", 2).unwrap();
        let path = journal.path.clone();
        drop(journal);
        let header = std::fs::read(&path).unwrap();
        std::fs::write(&path, &header[..10]).unwrap();
        drop(Journal::open(&output, "model", 2).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), header);

        let mut damaged = header;
        damaged[20] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let message = Journal::open(&output, "model", 2).err().unwrap().to_string();
        assert!(message.contains("is not a journal of this model and dimension"), "{message}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }

    #[test]
    fn an_entry_that_is_no_vector_counts_as_none() {
        let (_folder, output) = folder();
        for spoilt in [[f32::NAN, 1.0], [1.0, f32::INFINITY], [0.0, -0.0]] {
            let mut journal = Journal::open(&output, "model", 2).unwrap();
            put(&mut journal, "mug", &spoilt);
            drop(journal);
            let mut journal = Journal::open(&output, "model", 2).unwrap();
            assert_eq!(get(&journal, "mug"), None, "{spoilt:?}");
            put(&mut journal, "mug", &[1.5, -2.0]);
            drop(journal);
            let journal = Journal::open(&output, "model", 2).unwrap();
            assert_eq!(get(&journal, "mug"), Some(vec![1.5, -2.0]));
            journal.remove().unwrap();
        }
    }

    #[test]
    fn two_builds_do_not_write_one_journal() {
        let (_folder, output) = folder();
        let _journal = Journal::open(&output, "model", 2).unwrap();
        let message = Journal::open(&output, "model", 2).err().unwrap().to_string();
        assert!(message.contains("another build is writing it"), "{message}");
    }

    #[test]
    fn what_another_catalog_has_is_found_and_not_kept() {
        let (_folder, output) = folder();
        let mut journal = Journal::open(&output, "model", 2).unwrap();
        put(&mut journal, "mug", &[1.0, 2.0]);
        let old = [("mug", vec![9.0, 9.0]), ("cup", vec![3.0, 4.0])];
        journal.adopt(old.into_iter().map(|(text, vector)| Ok((Journal::key(text), vector)))).unwrap();
        put(&mut journal, "long", &[5.0, 6.0]);
        let found = ["mug", "cup", "long"].map(|text| get(&journal, text).unwrap());
        assert_eq!(found, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        drop(journal);
        let journal = Journal::open(&output, "model", 2).unwrap();
        assert_eq!((get(&journal, "cup"), get(&journal, "long")), (None, Some(vec![5.0, 6.0])));
    }
}
