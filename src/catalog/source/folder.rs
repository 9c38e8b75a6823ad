//! Which files a path means: the file itself, or those of a folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::shard::Shard;
use crate::catalog::CatalogError;

/// What Hugging Face datasets writes beside its shards.
const DATASET_STATE: &str = "state.json";
/// What DynamoDB writes beside the items of an export: a line for each file.
const EXPORT_FILES: &str = "manifest-files.json";
/// Where those items are.
const EXPORT_DATA: &str = "data";

/// The files of a path, a folder's in the order of their names. In a folder, names that begin with `.` or `_` are
/// passed over; a data set of Hugging Face and an export of DynamoDB are read as their own lists of files say.
///
/// # Errors
/// A file cannot be read, is of a kind without products, or is missing although a list names it.
pub fn open(path: &Path) -> Result<Vec<Shard>, CatalogError> {
    let metadata = fs::metadata(path).map_err(file_error(path))?;
    if !metadata.is_dir() {
        return Ok(vec![shard(path, path.display().to_string())?]);
    }
    let files = files(path)?;
    if files.is_empty() {
        return Err(CatalogError::Source {
            name: path.display().to_string(),
            what: "the folder has no files".to_owned(),
        });
    }
    let name = |file: &Path| file.strip_prefix(path).unwrap_or(file).display().to_string();
    files.iter().map(|file| shard(file, name(file))).collect()
}

fn shard(path: &Path, name: String) -> Result<Shard, CatalogError> {
    // A named pipe can be read only once and from the front: into a file with it.
    let metadata = fs::metadata(path).map_err(file_error(path))?;
    let mut file = File::open(path).map_err(file_error(path))?;
    if !metadata.is_file() {
        let mut copy = tempfile::tempfile().map_err(file_error(path))?;
        std::io::copy(&mut file, &mut copy).map_err(file_error(path))?;
        file = copy;
    }
    Shard::new(name, file)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let has = |name: &str| folder.join(name).is_file();
    let invalid = |what: String| CatalogError::Source { name: folder.display().to_string(), what };
    if has(EXPORT_FILES) {
        return export(folder);
    }
    if has("dataset_dict.json") {
        return Err(invalid("it holds several data sets: name the folder of one, such as train".to_owned()));
    }
    if has(DATASET_STATE) && has("dataset_info.json") {
        let state = read(&folder.join(DATASET_STATE))?;
        let state: State =
            serde_json::from_str(&state).map_err(|error| invalid(format!("{DATASET_STATE}: {error}")))?;
        return Ok(state.files.into_iter().map(|file| folder.join(file.filename)).collect());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(file_error(folder))? {
        let path = entry.map_err(file_error(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        if path.is_dir() {
            if name.contains('=') {
                let what = format!("{name}: the values in the names of folders are not read: write them as columns");
                return Err(invalid(what));
            }
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
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

/// The files of an export, none of which may be missing.
fn export(folder: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let invalid = |what: String| CatalogError::Source { name: folder.display().to_string(), what };
    let list = read(&folder.join(EXPORT_FILES))?;
    let mut files = Vec::new();
    for line in list.lines().filter(|line| !line.trim().is_empty()) {
        let file: ExportFile =
            serde_json::from_str(line).map_err(|error| invalid(format!("{EXPORT_FILES}: {error}")))?;
        let name = file.key.rsplit('/').next().unwrap_or(&file.key);
        let path = folder.join(EXPORT_DATA).join(name);
        if !path.is_file() {
            return Err(invalid(format!(
                "{EXPORT_FILES} names {EXPORT_DATA}/{name}, which is not there: fetch the whole export"
            )));
        }
        files.push(path);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, CatalogError> {
    fs::read_to_string(path).map_err(file_error(path))
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> CatalogError {
    move |source| CatalogError::File { path: path.to_owned(), source }
}
