//! Files that readers see whole or not at all.

use std::path::Path;

use crate::DevstackError;

/// Writes a file under another name beside it and renames it, so that readers see all of it or none.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), DevstackError> {
    let failed = |source| DevstackError::File { action: "write", path: path.into(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    std::fs::write(&partial, content).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(|source| {
        let _ = std::fs::remove_file(&partial);
        failed(source)
    })
}
