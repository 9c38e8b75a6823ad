//! What was started: a file of JSON lines beside the catalog that is built, synchronised line by line.
//!
//! A job is recorded before it is started and after its input was uploaded, with the token that a repeated start
//! needs. A line that a crash left unfinished counts as not written, which every line allows: the step that it stands
//! for is repeated, to the same effect.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::{Key, from_hex, to_hex};
use crate::fault::{Cause, Fault};

/// A job, and how far it is.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) token: String,
    pub(super) input: String,
    pub(super) output: String,
    pub(super) keys: Vec<Key>,
    pub(super) cut: Vec<Key>,
    pub(super) stage: Stage,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its input is uploaded; it may have been started.
    Planned,
    /// It has this ARN.
    Started(String),
    /// What it answered was handed over.
    Over,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The vectors that the jobs answer.
    Vectors {
        model: String,
        dimension: usize,
    },
    Planned {
        token: String,
        input: String,
        output: String,
        keys: String,
        cut: String,
    },
    Started {
        token: String,
        arn: String,
    },
    Over {
        token: String,
    },
}

/// The file, and the jobs in it.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    file: File,
    pub(super) jobs: Vec<Job>,
}

impl State {
    /// Opens the file, or begins it for vectors of this model and dimension.
    ///
    /// # Errors
    /// It cannot be read or written, or is of other vectors.
    pub(super) fn open(path: &Path, model: &str, dimension: usize) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| failure(path, &error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut state = Self { path: path.to_owned(), file, jobs: Vec::new() };
        if whole == 0 {
            state.append(&Line::Vectors { model: model.to_owned(), dimension })?;
            return Ok(state);
        }
        let strange = |why: &str| {
            let path = path.display();
            Fault::new(Cause::Misconfigured, format!("{path}, which keeps started batch jobs, {why}"))
        };
        let mut lines = text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        match lines.next().map(serde_json::from_slice) {
            Some(Ok(Line::Vectors { model: found, dimension: length })) if found == model && length == dimension => {}
            Some(Ok(Line::Vectors { model, dimension })) => {
                let why = format!(
                    "belongs to model {model}, dimension {dimension}: build with these, or delete it to abandon those \
                     jobs"
                );
                return Err(strange(&why));
            }
            _ => return Err(strange("is not a file of batch jobs: choose another, or delete it")),
        }
        for line in lines {
            let known = serde_json::from_slice(line).ok().and_then(|line| state.take(line));
            known.ok_or_else(|| strange("is damaged: delete it to abandon those jobs"))?;
        }
        Ok(state)
    }

    fn take(&mut self, line: Line) -> Option<()> {
        match line {
            Line::Vectors { .. } => return None,
            Line::Planned { token, input, output, keys, cut } => {
                let (keys, cut) = (from_hex(&keys)?, from_hex(&cut)?);
                self.jobs.push(Job { token, input, output, keys, cut, stage: Stage::Planned });
            }
            Line::Started { token, arn } => self.job(&token)?.stage = Stage::Started(arn),
            Line::Over { token } => self.job(&token)?.stage = Stage::Over,
        }
        Some(())
    }

    /// Where the file is.
    pub(super) fn folder(&self) -> PathBuf {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
    }

    fn job(&mut self, token: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.token == token)
    }

    /// A job is about to be started; its place.
    pub(super) fn planned(&mut self, job: Job) -> Result<usize, Fault> {
        let (keys, cut) = (to_hex(&job.keys), to_hex(&job.cut));
        let (token, input, output) = (job.token.clone(), job.input.clone(), job.output.clone());
        self.append(&Line::Planned { token, input, output, keys, cut })?;
        self.jobs.push(job);
        Ok(self.jobs.len() - 1)
    }

    /// A job was started.
    pub(super) fn started(&mut self, at: usize, arn: String) -> Result<(), Fault> {
        self.append(&Line::Started { token: self.jobs[at].token.clone(), arn: arn.clone() })?;
        self.jobs[at].stage = Stage::Started(arn);
        Ok(())
    }

    /// Nothing more will come of a job.
    pub(super) fn over(&mut self, at: usize) -> Result<(), Fault> {
        self.append(&Line::Over { token: self.jobs[at].token.clone() })?;
        self.jobs[at].stage = Stage::Over;
        Ok(())
    }

    /// Nothing of it is needed any more.
    pub(super) fn remove(self) -> Result<(), Fault> {
        std::fs::remove_file(&self.path).map_err(|error| failure(&self.path, &error))
    }

    fn append(&mut self, line: &Line) -> Result<(), Fault> {
        let write = |file: &mut File| {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            file.write_all(&text)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(|error| failure(&self.path, &error))
    }
}

/// A fault of the disk.
pub(super) fn failure(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(Cause::Internal, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_at_any_byte_loses_at_most_the_step_that_was_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = State::open(&path, "m", 2).unwrap();
        let job = |token: &str| Job {
            token: token.into(),
            input: "s3://b/in".into(),
            output: "s3://b/out/".into(),
            keys: vec![[1; 32], [2; 32]],
            cut: vec![[2; 32]],
            stage: Stage::Planned,
        };
        let first = state.planned(job("a")).unwrap();
        state.started(first, "arn".into()).unwrap();
        state.over(first).unwrap();
        let second = state.planned(job("b")).unwrap();
        state.started(second, "other".into()).unwrap();
        drop(state);
        let whole = std::fs::read(&path).unwrap();
        let mut seen = Vec::new();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let state = State::open(&path, "m", 2).unwrap();
            seen.push(state.jobs.iter().map(|job| job.stage.clone()).collect::<Vec<_>>());
        }
        seen.dedup();
        let (planned, started) = (Stage::Planned, |arn: &str| Stage::Started(arn.into()));
        let expected = [
            vec![],
            vec![planned.clone()],
            vec![started("arn")],
            vec![Stage::Over],
            vec![Stage::Over, planned],
            vec![Stage::Over, started("other")],
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_file_of_other_vectors_or_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        State::open(&path, "m", 2).unwrap();
        let message = State::open(&path, "m", 3).unwrap_err().to_string();
        assert!(message.contains("belongs to model m, dimension 2"), "{message}");
        std::fs::write(&path, "product_id,category\n").unwrap();
        assert!(State::open(&path, "m", 2).unwrap_err().to_string().contains("is not a file of batch jobs"));
    }
}
