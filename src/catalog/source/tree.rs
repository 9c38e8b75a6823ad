//! Files in folders by their names, on a disk or below a prefix of S3, and which of them are read.
//!
//! Names that begin with `.` or `_` are passed over; a data set of Hugging Face and an export of DynamoDB are read as
//! their own lists of files say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::part::{Parts, file_error, regular};
use crate::catalog::CatalogError;

/// What Hugging Face datasets writes beside its shards.
const DATASET_STATE: &str = "state.json";
/// What DynamoDB writes beside the items of an export: a line for each file.
const EXPORT_FILES: &str = "manifest-files.json";
/// Where those items are.
const EXPORT_DATA: &str = "data";

/// A folder: files and folders by their names, of which a file and a folder may have one together.
#[derive(Debug, Default)]
pub struct Tree {
    /// Names that are not UTF-8 may look alike.
    entries: BTreeMap<String, (Vec<PathBuf>, Vec<Tree>)>,
}

/// A file that is read: its name in messages, and where it is.
type Named = (String, PathBuf);

impl Tree {
    /// Whether a file of this name, with `/` between folders, is passed over without a look at it.
    pub fn is_passed_over(name: &str) -> bool {
        // `.` and `..` are folders like others in the keys of S3.
        name.split('/').any(|part| part.starts_with(['.', '_']) && part != "." && part != "..")
    }

    /// Adds a file by its name, with `/` between folders.
    pub fn add(&mut self, name: &str, path: PathBuf) {
        match name.split_once('/') {
            Some((folder, rest)) => {
                let (_, folders) = self.entries.entry(folder.to_owned()).or_default();
                if folders.is_empty() {
                    folders.push(Self::default());
                }
                folders[0].add(rest, path);
            }
            None => self.entries.entry(name.to_owned()).or_default().0.push(path),
        }
    }

    /// Adds a folder below.
    pub(super) fn add_folder(&mut self, name: String, folder: Self) {
        self.entries.entry(name).or_default().1.push(folder);
    }

    /// The files that are read, in the order of their names. `folder`: what messages call it; `notes`: what else somebody
    /// should know.
    ///
    /// # Errors
    /// A file cannot be read, is of a kind without products, or is missing although a list names it; there is none.
    pub fn parts(&self, folder: &str, notes: Vec<String>) -> Result<Parts, CatalogError> {
        let mut files = Vec::new();
        self.choose("", folder, &mut files)?;
        Parts::of_folder(folder, files, notes)
    }

    /// `at`: how names of files here begin; `folder`: what messages call it.
    fn choose(&self, at: &str, folder: &str, files: &mut Vec<Named>) -> Result<(), CatalogError> {
        let invalid = |what: String| CatalogError::Source { name: folder.to_owned(), what };
        if let Some(list) = self.file(EXPORT_FILES) {
            return self.choose_export(at, list, &invalid, files);
        }
        if self.file("dataset_dict.json").is_some() {
            return Err(invalid("it holds several data sets: name the folder of one, such as train".to_owned()));
        }
        if let (Some(state), Some(_)) = (self.file(DATASET_STATE), self.file("dataset_info.json")) {
            let state: State =
                serde_json::from_str(&read(state)?).map_err(|error| invalid(format!("{DATASET_STATE}: {error}")))?;
            for DataFile { filename } in state.files {
                files.push(self.listed(at, DATASET_STATE, &filename, &invalid)?);
            }
            return Ok(());
        }
        for (name, (paths, folders)) in &self.entries {
            files.extend(paths.iter().map(|path| (format!("{at}{name}"), path.clone())));
            if name.contains('=') && !folders.is_empty() {
                let what = "values in folder names are not read: write them as columns";
                return Err(invalid(format!("{name}: {what}")));
            }
            for inner in folders {
                inner.choose(&format!("{at}{name}/"), &format!("{folder}/{name}"), files)?;
            }
        }
        Ok(())
    }

    /// The files of an export, none of which may be missing.
    fn choose_export(
        &self,
        at: &str,
        list: &Path,
        invalid: &impl Fn(String) -> CatalogError,
        files: &mut Vec<Named>,
    ) -> Result<(), CatalogError> {
        for line in read(list)?.lines().filter(|line| !line.trim().is_empty()) {
            let ExportFile { key } =
                serde_json::from_str(line).map_err(|error| invalid(format!("{EXPORT_FILES}: {error}")))?;
            let name = format!("{EXPORT_DATA}/{}", key.rsplit('/').next().unwrap_or(&key));
            files.push(self.listed(at, EXPORT_FILES, &name, invalid)?);
        }
        Ok(())
    }

    /// A file that a list names.
    fn listed(
        &self,
        at: &str,
        list: &str,
        name: &str,
        invalid: &impl Fn(String) -> CatalogError,
    ) -> Result<Named, CatalogError> {
        let path = self
            .file(name)
            .ok_or_else(|| invalid(format!("{list} names {name}, which is missing: fetch the whole folder")))?;
        Ok((format!("{at}{name}"), path.clone()))
    }

    fn file(&self, name: &str) -> Option<&PathBuf> {
        match name.split_once('/') {
            Some((folder, rest)) => self.entries.get(folder)?.1.first()?.file(rest),
            None => self.entries.get(name)?.0.first(),
        }
    }
}

#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    files: Vec<DataFile>,
}

#[derive(Deserialize)]
struct DataFile {
    filename: String,
}

/// A line of an export's list.
#[derive(Deserialize)]
struct ExportFile {
    #[serde(rename = "dataFileS3Key")]
    key: String,
}

fn read(path: &Path) -> Result<String, CatalogError> {
    regular(path)?;
    fs::read_to_string(path).map_err(file_error(path))
}
