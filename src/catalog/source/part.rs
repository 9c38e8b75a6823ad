//! The files of a source. Each is looked at and closed again, and opened once more when its turn comes: a folder may have
//! more files than a process may hold open, and what is packed is unpacked one file at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use nearline_contract::clip;
use tempfile::TempDir;

use super::shard::Shard;
use crate::catalog::CatalogError;
use crate::catalog::kind::Kind;

/// Names that a note lists.
const LISTED_MAX: usize = 5;

/// The files of a source, in the order in which they are read.
#[derive(Debug)]
pub struct Parts {
    pub(super) files: Vec<Part>,
    /// What somebody should know of files that are not read.
    pub(super) notes: Vec<String>,
    /// Where they lie until they have been read, if they were fetched.
    _fetched: Option<TempDir>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Part {
    /// How messages call it.
    pub(super) name: String,
    /// What is in it, unpacked.
    pub(super) kind: Kind,
    access: Access,
}

#[derive(Debug)]
enum Access {
    /// It has no name, or can be read only once.
    Open(Shard),
    Path(PathBuf),
}

impl From<Shard> for Parts {
    fn from(shard: Shard) -> Self {
        let part = Part { name: shard.name.clone(), kind: shard.kind, access: Access::Open(shard) };
        Self { files: vec![part], notes: Vec::new(), _fetched: None }
    }
}

impl Parts {
    /// The files of a folder, each with its name in messages. Empty ones are passed over, with a note.
    ///
    /// # Errors
    /// One cannot be read, or is of a kind that holds no products; there is none, or all are empty.
    pub(super) fn of_folder(
        folder: &str,
        files: Vec<(String, PathBuf)>,
        mut notes: Vec<String>,
    ) -> Result<Self, CatalogError> {
        let failed = |what: &str| CatalogError::Source { name: folder.to_owned(), what: what.to_owned() };
        if files.is_empty() {
            return Err(failed("the folder has no files"));
        }
        let (mut parts, mut empty) = (Vec::new(), Vec::new());
        for (name, path) in files {
            regular(&path)?;
            match Shard::look(&name, &open(&path)?)? {
                Some(kind) => parts.push(Part { name, kind, access: Access::Path(path) }),
                None => empty.push(name),
            }
        }
        if parts.is_empty() {
            return Err(failed("all files of the folder are empty: nothing was written to them"));
        }
        if !empty.is_empty() {
            notes.push(format!("empty files are skipped: {}", list(&empty)));
        }
        Ok(Self { files: parts, notes, _fetched: None })
    }

    /// Keeps the folder to which the files were fetched until they have been read.
    #[must_use]
    pub fn fetched_to(self, folder: TempDir) -> Self {
        Self { _fetched: Some(folder), ..self }
    }
}

impl Part {
    /// Opens the file; what is packed is unpacked.
    ///
    /// # Errors
    /// It cannot be read or unpacked, or is of another kind by now.
    pub(super) fn open(&self) -> Result<Shard, CatalogError> {
        match &self.access {
            Access::Open(shard) => shard.again(),
            Access::Path(path) => {
                let shard = Shard::new(self.name.clone(), open(path)?)?;
                if shard.kind == self.kind {
                    return Ok(shard);
                }
                let what = format!(
                    "this was {} and is {} now: the source must not change while it is read",
                    self.kind, shard.kind
                );
                Err(CatalogError::Source { name: shard.name, what })
            }
        }
    }
}

/// The first of many names.
pub(super) fn list(names: &[String]) -> String {
    let shown = names.iter().take(LISTED_MAX).map(|name| clip(name)).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(LISTED_MAX);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Whether a path leads to a file. A pipe would wait for a writer, a device may never end.
///
/// # Errors
/// [`CatalogError::File`].
pub(super) fn regular(path: &Path) -> Result<(), CatalogError> {
    if std::fs::metadata(path).map_err(file_error(path))?.is_file() {
        return Ok(());
    }
    let what = "is a pipe, a socket or a device: a folder is read if it holds files only";
    Err(file_error(path)(std::io::Error::other(what)))
}

pub(super) fn open(path: &Path) -> Result<File, CatalogError> {
    File::open(path).map_err(file_error(path))
}

pub(super) fn file_error(path: &Path) -> impl Fn(std::io::Error) -> CatalogError {
    move |source| CatalogError::File { path: path.to_owned(), source }
}
