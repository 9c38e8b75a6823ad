//! Which files a path means: the file itself, or those of a folder.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::part::{Parts, file_error, list, open as open_file};
use super::shard::Shard;
use super::tree::Tree;
use crate::catalog::CatalogError;

/// The files of a path, a folder's as its [`Tree`] says.
///
/// # Errors
/// A file cannot be read, is of a kind without products, or is missing although a list names it.
pub fn open(path: &Path) -> Result<Parts, CatalogError> {
    let metadata = fs::metadata(path).map_err(file_error(path))?;
    if !metadata.is_dir() {
        return Ok(shard(path, &metadata)?.into());
    }
    let mut walk = Walk::default();
    let tree = walk.tree(path)?;
    let name = |again: &PathBuf| again.strip_prefix(path).unwrap_or(again).display().to_string();
    let again: Vec<String> = walk.again.iter().map(name).collect();
    let note =
        (!again.is_empty()).then(|| format!("links to a folder that is already read are skipped: {}", list(&again)));
    tree.parts(&path.display().to_string(), note.into_iter().collect())
}

/// Whether a folder that is read is `folder`, or holds it.
///
/// # Errors
/// The one that is read cannot be looked at.
pub fn reads_below(read: &Path, folder: &Path) -> Result<bool, CatalogError> {
    let mut walk = Walk::default();
    walk.tree(read)?;
    let folder = folder.canonicalize().map_err(file_error(folder))?;
    Ok(folder.ancestors().any(|folder| fs::metadata(folder).is_ok_and(|folder| walk.seen.contains(&identity(&folder)))))
}

fn shard(path: &Path, metadata: &Metadata) -> Result<Shard, CatalogError> {
    let kind = metadata.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Err(file_error(path)(std::io::Error::other(
            "is a device: give a file, a folder, or - for standard input",
        )));
    }
    let mut file = open_file(path)?;
    // A named pipe can be read only once and from the front: into a file with it.
    if !metadata.is_file() {
        let mut copy: File = tempfile::tempfile().map_err(file_error(path))?;
        std::io::copy(&mut file, &mut copy).map_err(file_error(path))?;
        file = copy;
    }
    Shard::new(path.display().to_string(), file)
}

/// A walk through a folder and those below, each of which is entered once: links can lead in circles.
#[derive(Debug, Default)]
struct Walk {
    seen: HashSet<(u64, u64)>,
    /// What led to a folder once more.
    again: Vec<PathBuf>,
}

impl Walk {
    fn tree(&mut self, folder: &Path) -> Result<Tree, CatalogError> {
        self.seen.insert(identity(&fs::metadata(folder).map_err(file_error(folder))?));
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut entries = entries.map_err(file_error(folder))?;
        // Which of two ways into a folder is taken must not depend on the disk.
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut tree = Tree::default();
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if Tree::is_passed_over(&name) {
                continue;
            }
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    if self.seen.contains(&identity(&metadata)) {
                        self.again.push(path);
                    } else {
                        tree.add_folder(name, self.tree(&path)?);
                    }
                }
                // What is wrong with it is said if it is read.
                _ => tree.add(&name, path),
            }
        }
        Ok(tree)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
