//! The input of a job: a file of records, each with its id and the model's request.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;
use tempfile::NamedTempFile;

use super::key::{Key, to_hex};
use crate::embed::embedding::{Purpose, cut};
use crate::embed::model::Model;

/// Fewest records that a job takes: Bedrock's quota "Minimum number of records per batch inference job".
pub(super) const RECORDS_MIN: usize = 100;
/// Most records: its quota "Records per batch inference job".
pub(super) const RECORDS_MAX: usize = 50_000;
/// Most bytes: its quota "Batch inference input file size (in GB)".
const BYTES_MAX: usize = 1_000_000_000;

/// The records of one job.
pub(super) struct Input {
    pub(super) file: NamedTempFile,
    pub(super) keys: Vec<Key>,
    /// Those whose text was longer than the model takes.
    pub(super) cut: Vec<Key>,
}

impl Input {
    /// Writes `first` and as many of `others` as a job takes, at most `records_max` together, into a file in `folder`.
    pub(super) fn write(
        folder: &Path,
        model: &Model,
        records_max: usize,
        first: Vec<(Key, String)>,
        others: &mut impl Iterator<Item = (Key, String)>,
    ) -> std::io::Result<Self> {
        let mut input = Self { file: NamedTempFile::new_in(folder)?, keys: Vec::new(), cut: Vec::new() };
        let mut sink = BufWriter::new(input.file.as_file_mut());
        let mut first = first.into_iter();
        // The longest record: each character of the longest text as \u0000, and what stands around it.
        let room = BYTES_MAX - 6 * model.family.chars_max() - 1_000;
        let mut bytes = 0;
        while input.keys.len() < records_max && bytes < room {
            let Some((key, text)) = first.next().or_else(|| others.next()) else { break };
            let (text, was_cut) = cut(&text, model.family.chars_max());
            let request = model.family.request(&[text], Purpose::Document, model.dimension());
            let line = json!({"recordId": to_hex(&[key]), "modelInput": request}).to_string();
            bytes += line.len() + 1;
            writeln!(sink, "{line}")?;
            input.keys.push(key);
            if was_cut {
                input.cut.push(key);
            }
        }
        sink.flush()?;
        drop(sink);
        Ok(input)
    }
}
