//! Vectors that a build has paid for, on disk until its artifact is whole.
//!
//! One file for each output, model and dimension: a build never touches what another one paid for. It begins with a
//! line that says what it is of; entries follow, each a 32-byte key and the numbers in little-endian order.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, Read, Write};
use std::path::{Path, PathBuf};

use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};

use crate::catalog::CatalogError;

pub(super) struct Journal {
    path: PathBuf,
    file: File,
    salt: String,
    vectors: HashMap<[u8; 32], Vec<f32>>,
}

impl Journal {
    /// Opens the journal of a build, or begins one.
    ///
    /// # Errors
    /// [`CatalogError::File`]: it cannot be read or written, it is not of this model and dimension, or another build
    /// is writing it.
    pub(super) fn open(output: &Path, model_id: &str, dimension: usize) -> Result<Self, CatalogError> {
        let salt = format!("{model_id}\0{dimension}\0");
        let path = path(output, &salt);
        let file_error = |source| CatalogError::File { path: path.clone(), source };
        let refused = |why: &str| file_error(Error::other(why));
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(file_error)?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(refused("another build is writing it: wait for that one, or stop it"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(file_error)?;
        let header = format!("nearline journal 1, model {model_id}, dimension {dimension}\n").into_bytes();
        let entries = match bytes.strip_prefix(header.as_slice()) {
            Some(entries) => entries,
            // A build that was killed can leave half a header.
            None if header.starts_with(&bytes) => {
                file.write_all(&header[bytes.len()..]).map_err(file_error)?;
                &[]
            }
            None => return Err(refused("is not a journal of this model and dimension: move it away")),
        };
        let entry_bytes = 32 + dimension * size_of::<f32>();
        let (whole, half) = entries.split_at(entries.len() - entries.len() % entry_bytes);
        if !half.is_empty() {
            file.set_len((header.len() + whole.len()) as u64).map_err(file_error)?;
        }
        let mut vectors = HashMap::new();
        for entry in whole.chunks_exact(entry_bytes) {
            let (key, numbers) = entry.split_at(32);
            let numbers = numbers.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
            let numbers = numbers.collect::<Vec<_>>();
            // What a damaged disk made of an entry would break every build: it is paid for once more.
            if numbers.iter().all(|number| number.is_finite()) && numbers.iter().any(|&number| number != 0.0) {
                vectors.insert(key.try_into().expect("split at 32 bytes"), numbers);
            }
        }
        Ok(Self { path, file, salt, vectors })
    }

    /// The vector of a text, if it was paid for.
    pub(super) fn get(&self, text: &str) -> Option<Vec<f32>> {
        self.vectors.get(&self.key(text)).cloned()
    }

    /// Keeps the vector of a text for the next build.
    pub(super) fn put(&mut self, text: &str, vector: &[f32]) -> Result<(), CatalogError> {
        let mut entry = self.key(text).to_vec();
        entry.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
        self.file.write_all(&entry).map_err(|source| CatalogError::File { path: self.path.clone(), source })
    }

    /// Deletes it: its vectors are in the artifact.
    pub(super) fn remove(self) -> Result<(), CatalogError> {
        std::fs::remove_file(&self.path).map_err(|source| CatalogError::File { path: self.path, source })
    }

    fn key(&self, text: &str) -> [u8; 32] {
        Sha256::new().chain_update(&self.salt).chain_update(text).finalize().into()
    }
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

    fn append(journal: &Path, bytes: &[u8]) {
        OpenOptions::new().append(true).open(journal).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn a_journal_survives_a_killed_build() {
        let (folder, output) = folder();
        let mut journal = Journal::open(&output, "model", 2).unwrap();
        journal.put("mug", &[1.5, -2.0]).unwrap();
        append(&journal.path, &[7; 9]);
        drop(journal);
        let mut journal = Journal::open(&output, "model", 2).unwrap();
        assert_eq!(journal.get("mug"), Some(vec![1.5, -2.0]));
        journal.put("cup", &[3.0, 4.0]).unwrap();
        drop(journal);
        let reopened = Journal::open(&output, "model", 2).unwrap();
        assert_eq!(reopened.get("cup"), Some(vec![3.0, 4.0]));
        let other = Journal::open(&output, "other model", 2).unwrap();
        assert_eq!(other.get("mug"), None);
        other.remove().unwrap();
        reopened.remove().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn another_model_or_dimension_leaves_what_was_paid_for() {
        let (_folder, output) = folder();
        let paid = [1.5, -2.0, 0.25];
        let mut journal = Journal::open(&output, "model", 3).unwrap();
        journal.put("mug", &paid).unwrap();
        drop(journal);
        for (model, dimension) in [("model", 2), ("model", 5), ("other model", 3)] {
            let mut other = Journal::open(&output, model, dimension).unwrap();
            assert_eq!(other.get("mug"), None);
            other.put("mug", &vec![1.0; dimension]).unwrap();
            other.remove().unwrap();
        }
        assert_eq!(Journal::open(&output, "model", 3).unwrap().get("mug"), Some(paid.to_vec()));
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
            journal.put("mug", &spoilt).unwrap();
            drop(journal);
            let mut journal = Journal::open(&output, "model", 2).unwrap();
            assert_eq!(journal.get("mug"), None, "{spoilt:?}");
            journal.put("mug", &[1.5, -2.0]).unwrap();
            drop(journal);
            let journal = Journal::open(&output, "model", 2).unwrap();
            assert_eq!(journal.get("mug"), Some(vec![1.5, -2.0]));
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
}
