//! A file of jobs, cut into the bodies of messages: JSON Lines, or one JSON array of jobs.
//!
//! Whether a single job is right is not asked here: a broken line amid good ones is a body like the others, and its
//! answer says what is wrong. But a file whose first line is not a JSON object is not a file of jobs, and nothing of it
//! should be sent. No I/O.

use std::fmt;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::clip;
use crate::text::{NotText, decode};

/// Where a job is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// Its number in an array of jobs, counted from 1.
    pub element: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.element {
            Some(number) => write!(f, "job {number} (line {})", self.line),
            None => write!(f, "line {}", self.line),
        }
    }
}

/// One job of a file, as it is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobText<'a> {
    /// Where.
    pub place: Place,
    /// What; an element of an array may have line ends in it.
    pub body: &'a str,
}

/// Why a file has no jobs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJobs {
    /// It is not text.
    #[error(transparent)]
    NotText(#[from] NotText),
    /// Nothing is in it.
    #[error("there are no jobs in it")]
    Empty,
    /// Its first line is not a JSON object.
    #[error("line {line} {what}; expected one JSON object a line, or one array of them")]
    Shape {
        /// The first that is not blank, counted from 1.
        line: usize,
        /// What it is.
        what: String,
    },
}

/// The jobs of a file: one for each line that is not blank, or one for each element of an array.
///
/// # Errors
/// [`NotJobs`]: it is not text, is empty, or begins with something else.
pub fn jobs(bytes: &[u8]) -> Result<Vec<JobText<'_>>, NotJobs> {
    let text = decode(bytes)?;
    let lines = text.lines().enumerate().map(|(index, line)| JobText {
        place: Place { line: index + 1, element: None },
        body: line.trim_start_matches('\u{feff}'), // files with a mark each, put together
    });
    let lines: Vec<JobText<'_>> = lines.filter(|line| !line.body.trim().is_empty()).collect();
    let first = lines.first().ok_or(NotJobs::Empty)?;
    let shape = |what: String| NotJobs::Shape { line: first.place.line, what };
    match first.body.trim_start().chars().next() {
        Some('{') => match serde_json::from_str::<IgnoredAny>(first.body) {
            Ok(_) => Ok(lines),
            Err(error) if error.is_eof() => Err(shape(unfinished(text))),
            Err(error) if starts_with_object(first.body) => {
                Err(shape(format!("has more than one JSON value (column {})", error.column())))
            }
            Err(error) => Err(shape(format!("is not a JSON object: {error}"))),
        },
        Some('[') => array(text).map_err(shape),
        _ => Err(shape(other(first.body))),
    }
}

/// The elements of a file that is one array.
fn array(text: &str) -> Result<Vec<JobText<'_>>, String> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => "begins a JSON array that never ends".to_owned(),
        _ => format!("begins a JSON array, which ends or breaks at line {}, column {}", error.line(), error.column()),
    })?;
    match elements.first() {
        None => return Err("is an empty array".into()),
        Some(first) if !first.get().starts_with('{') => {
            return Err(format!("is an array of something else, first `{}`", clip(first.get())));
        }
        Some(_) => {}
    }
    let (mut line, mut seen) = (1, 0);
    let jobs = elements.into_iter().enumerate().map(|(index, element)| {
        let body = element.get();
        let start = body.as_ptr() as usize - text.as_ptr() as usize; // a part of the text
        line += text[seen..start].matches('\n').count();
        seen = start;
        JobText { place: Place { line, element: Some(index + 1) }, body }
    });
    Ok(jobs.collect())
}

/// What a first line is that ends before its object does.
fn unfinished(text: &str) -> String {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => "begins a JSON object of several lines (`jq -c . FILE` writes each on one line)".into(),
        _ => "is not a whole JSON object".into(),
    }
}

fn starts_with_object(line: &str) -> bool {
    serde_json::Deserializer::from_str(line).into_iter::<IgnoredAny>().next().is_some_and(|value| value.is_ok())
}

/// What a first line is that begins neither an object nor an array.
fn other(line: &str) -> String {
    let separators = [',', ';', '\t', '|'];
    if serde_json::from_str::<IgnoredAny>(line).is_ok() {
        format!("is JSON, but not an object: `{}`", clip(line.trim()))
    } else if line.contains(separators) && !line.contains(['{', '}']) {
        format!("looks like a table (CSV): `{}`", clip(line.trim()))
    } else {
        format!("is not JSON: `{}`", clip(line.trim()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(bytes: &[u8]) -> Vec<(String, &str)> {
        jobs(bytes).unwrap().iter().map(|job| (job.place.to_string(), job.body)).collect()
    }

    #[track_caller]
    fn refused(bytes: &[u8], message: &str) {
        let error = jobs(bytes).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn each_line_is_a_job_and_keeps_its_number() {
        let file = b"\xef\xbb\xbf\r\n{\"a\":1}\r\n\r\n  {\"b\":2} \nnope\n\xef\xbb\xbf{\"c\":3}";
        let line = |number: usize| format!("line {number}");
        let expected = [(line(2), "{\"a\":1}"), (line(4), "  {\"b\":2} "), (line(5), "nope"), (line(6), "{\"c\":3}")];
        assert_eq!(places(file), expected);
    }

    #[test]
    fn an_array_of_jobs_is_taken_as_jobs_with_their_lines() {
        let file = "\n[\n  {\n    \"a\": 1\n  },\n  {\"b\": [\"]\"]}, 7\n]\n";
        let job = |number: usize, line: usize| format!("job {number} (line {line})");
        let expected = [(job(1, 3), "{\n    \"a\": 1\n  }"), (job(2, 6), "{\"b\": [\"]\"]}"), (job(3, 6), "7")];
        assert_eq!(places(file.as_bytes()), expected);
    }

    #[test]
    fn what_is_no_file_of_jobs_is_named() {
        refused(b"", "there are no jobs in it");
        refused(b"\xef\xbb\xbf \n\t\n", "there are no jobs in it");
        refused(b"\n{\n \"a\": 1\n}\n", "line 2 begins a JSON object of several lines");
        refused(b"{\"a\": 1,\n \"b\": 2}\n{}", "line 1 begins a JSON object of several lines");
        refused(b"{\"a\":\n", "line 1 is not a whole JSON object");
        refused(b"{\"a\":1}{\"b\":1}", "line 1 has more than one JSON value (column 8)");
        refused(b"{'a':1}", "line 1 is not a JSON object: key must be a string at line 1 column 2");
        refused(b"request_id,query\na,mug\n", "line 1 looks like a table (CSV): `request_id,query`");
        refused(b"\"{}\"\n", "line 1 is JSON, but not an object: `\"{}\"`");
        refused(b"hello", "line 1 is not JSON: `hello`");
        refused(b"[]", "line 1 is an empty array");
        refused(b"[0.1,0.2]", "line 1 is an array of something else, first `0.1`");
        refused(b"[{\"a\":1}]\n[{\"a\":1}]", "which ends or breaks at line 2, column 1");
        refused(b"[{\"a\":1},", "begins a JSON array that never ends");
        refused(b"\x1f\x8b\x08\0", "gzip");
        refused(b"{}\n\xff", "line 2 is not UTF-8");
    }

    #[test]
    fn a_first_line_that_only_the_contract_refuses_is_a_job() {
        for line in [r#"{"query":"a","query":"b"}"#, r#"{"query":"party \ud83d"}"#, r#"{"vector":[1e999]}"#, "{}"] {
            assert_eq!(jobs(line.as_bytes()).unwrap().len(), 1, "{line}");
        }
    }

    proptest! {
        #[test]
        fn an_array_is_cut_where_its_lines_would_be(bodies in proptest::collection::vec(r#"\{("[ab]{1,3}":"[\\\\]?[",\]\[]{0,3}")?\}"#, 1..8)) {
            let good: Vec<&String> = bodies.iter().filter(|body| serde_json::from_str::<IgnoredAny>(body).is_ok()).collect();
            prop_assume!(!good.is_empty());
            let joined = |separator: &str| good.iter().map(|body| body.as_str()).collect::<Vec<_>>().join(separator);
            let (lines, array) = (joined("\n"), format!("[{}]", joined(",\n")));
            let bodies = |text: &str| jobs(text.as_bytes()).unwrap().iter().map(|job| job.body.to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(bodies(&lines), bodies(&array));
            let numbers: Vec<usize> = jobs(array.as_bytes()).unwrap().iter().map(|job| job.place.line).collect();
            prop_assert_eq!(numbers, (1..=good.len()).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_jobs_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = jobs(&bytes);
        }
    }
}
