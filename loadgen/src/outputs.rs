//! Where reports go: opened before the run, so that an earlier one stays as it is until there is a new one.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::Args;
use crate::error::RunError;
use crate::report::Report;

/// As JSON that people can read.
pub(crate) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value).expect("a report has only string keys and finite numbers");
    json.push(b'\n');
    json
}

/// The files of a report.
pub(crate) struct Outputs {
    json: Option<OutputFile>,
    html: Option<OutputFile>,
}

impl Outputs {
    /// Opens the files that `args` name.
    pub(crate) fn open(args: &Args) -> Result<Self, RunError> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::open).transpose();
        Ok(Self { json: open(&args.output)?, html: open(&args.html)? })
    }

    /// Writes both before it says what went wrong with one.
    pub(crate) fn write(self, report: &Report) -> Result<(), RunError> {
        let json = self.json.map(|mut file| file.write(&json(report)));
        let html = self.html.map(|mut file| file.write(report.html().as_bytes()));
        json.into_iter().chain(html).collect()
    }
}

/// A file to be written.
pub(crate) struct OutputFile {
    path: PathBuf,
    file: File,
}

impl OutputFile {
    /// Opens a file, and makes it if it is not there, without changing what is in it.
    pub(crate) fn open(path: &Path) -> Result<Self, RunError> {
        let path = path.to_owned();
        match OpenOptions::new().write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(cause) => Err(RunError::Output { path, cause }),
        }
    }

    /// Replaces what is in it.
    pub(crate) fn write(&mut self, content: &[u8]) -> Result<(), RunError> {
        // Only a regular file has a length to cut: /dev/stdout is a fair place for a report.
        let regular = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
        let cut = if regular { self.file.set_len(0) } else { Ok(()) };
        cut.and_then(|()| self.file.write_all(content))
            .map_err(|cause| RunError::Output { path: self.path.clone(), cause })
    }
}
