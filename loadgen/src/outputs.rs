//! Where reports go: opened before the run, so that an earlier one stays as it is until there is a new one.

use std::fs::{File, OpenOptions};
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};

use crate::error::RunError;

/// A file to be written, or standard output.
pub(crate) struct Output {
    path: PathBuf,
    /// `None` for standard output.
    file: Option<File>,
}

impl Output {
    /// Opens a file, and makes it if it is not there, without changing what is in it. `-` is standard output.
    pub(crate) fn open(path: &Path) -> Result<Self, RunError> {
        let path = path.to_owned();
        if path.as_os_str() == "-" {
            return Ok(Self { path, file: None });
        }
        match OpenOptions::new().write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok(Self { path, file: Some(file) }),
            Err(cause) => Err(RunError::Output { path, cause }),
        }
    }

    /// Replaces what is in it.
    pub(crate) fn write(self, content: &[u8]) -> Result<(), RunError> {
        let Some(mut file) = self.file else { return write(stdout(), content) };
        // Only a regular file has a length to cut: /dev/stdout is a fair place for a report.
        let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let cut = if regular { file.set_len(0) } else { Ok(()) };
        cut.and_then(|()| file.write_all(content)).map_err(|cause| RunError::Output { path: self.path, cause })
    }
}

/// What people read goes to standard output, unless `output` takes that.
pub(crate) fn print(page: &str, output: Option<&Output>) -> Result<(), RunError> {
    if output.is_some_and(|output| output.file.is_none()) {
        // Nobody may be there to read it any more.
        let _ = stderr().write_all(page.as_bytes());
        return Ok(());
    }
    write(stdout(), page.as_bytes())
}

fn write(mut to: impl Write, content: &[u8]) -> Result<(), RunError> {
    to.write_all(content).and_then(|()| to.flush()).map_err(RunError::Stdout)
}

/// Tells people something that no program reads. A terminal that is gone must not end the run.
pub fn tell(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
