//! What a run has sent, in a file beside its output, so that after a kill it is not sent again.
//!
//! A line for each job, added once SQS has it. What was on its way at the kill is sent again all the same, and is a
//! replay. Queue and table stand in front; what another pair was sent is forgotten. One process has it at a time.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use super::super::output::CliError;

/// The journal of a run, held by this process.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// The hash of the job that was sent under a request id.
    sent: HashMap<String, String>,
}

impl Journal {
    /// Opens the journal or begins one, for jobs that go to `target`.
    pub(super) fn open(path: PathBuf, target: &str) -> Result<Self, CliError> {
        let what = path.display().to_string();
        let file = File::options().read(true).append(true).create(true).open(&path);
        let file = file.map_err(CliError::io(&what))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CliError::Other(format!("{what}: another `nearline run` writes this output")));
            }
            Err(TryLockError::Error(error)) => return Err(CliError::io(&what)(error)),
        }
        let mut journal = Self { path, file, sent: HashMap::new() };
        journal.read(target).map_err(CliError::io(&what))?;
        Ok(journal)
    }

    fn read(&mut self, target: &str) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        // A process that was killed may have left half a line.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let mut lines = text.lines();
        let header = header(target);
        if lines.next() == Some(header.trim_end()) {
            let sent = lines.filter_map(|line| line.split_once(' '));
            self.sent = sent.map(|(sha256, id)| (id.to_owned(), sha256.to_owned())).collect();
            self.file.set_len(whole as u64)
        } else {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(header.as_bytes())
        }
    }

    /// Whether this job was sent.
    pub(super) fn has(&self, request_id: &str, sha256: &str) -> bool {
        self.sent.get(request_id).is_some_and(|sent| sent == sha256)
    }

    /// Notes jobs that were sent: their request ids and hashes.
    pub(super) fn note<'a>(&mut self, jobs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), CliError> {
        let mut lines = String::new();
        for (request_id, sha256) in jobs {
            lines.extend([sha256, " ", request_id, "\n"]);
            self.sent.insert(request_id.to_owned(), sha256.to_owned());
        }
        self.file.write_all(lines.as_bytes()).map_err(CliError::io(self.path.display().to_string()))
    }

    /// Forgets that these jobs were sent, so that the next run sends them again.
    pub(super) fn forget<'a>(
        &mut self,
        request_ids: impl Iterator<Item = &'a str>,
        target: &str,
    ) -> Result<(), CliError> {
        for request_id in request_ids {
            self.sent.remove(request_id);
        }
        let what = self.path.display().to_string();
        let emptied = self.file.set_len(0).and_then(|()| self.file.write_all(header(target).as_bytes()));
        emptied.map_err(CliError::io(&what))?;
        let kept = std::mem::take(&mut self.sent);
        self.note(kept.iter().map(|(request_id, sha256)| (request_id.as_str(), sha256.as_str())))
    }

    /// The run is over.
    pub(super) fn remove(self) -> Result<(), CliError> {
        std::fs::remove_file(&self.path).map_err(CliError::io(self.path.display().to_string()))
    }
}

fn header(target: &str) -> String {
    format!("nearline run, sent to {}\n", target.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &std::path::Path, target: &str) -> Journal {
        Journal::open(path.to_owned(), target).unwrap()
    }

    #[test]
    fn what_was_sent_is_known_after_a_kill_and_half_a_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl.sent");
        open(&path, "q t").note([("a", "1"), ("b", "2")].into_iter()).unwrap();
        std::fs::File::options().append(true).open(&path).unwrap().write_all(b"3 c").unwrap();
        let mut journal = open(&path, "q t");
        assert!(journal.has("a", "1") && journal.has("b", "2"));
        assert!(!journal.has("a", "2") && !journal.has("c", "3"));
        journal.note([("d", "4")].into_iter()).unwrap();
        journal.forget(["b"].into_iter(), "q t").unwrap();
        drop(journal);
        let journal = open(&path, "q t");
        assert!(journal.has("a", "1") && journal.has("d", "4") && !journal.has("b", "2"));
        drop(journal);
        let journal = open(&path, "another queue");
        assert!(!journal.has("a", "1"));
        journal.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn two_runs_do_not_share_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.jsonl.sent");
        let _held = open(&path, "q");
        let refused = Journal::open(path, "q").err().unwrap().to_string();
        assert!(refused.contains("another `nearline run`"), "{refused}");
    }
}
