//! Where the jobs' fields come from: a file, or the built-in phrases; and which of them is chosen when.

use std::collections::BTreeMap;

use nearline_contract::lines::{JobText, NotJobs, Place, jobs};
use nearline_contract::text::forbidden;
use nearline_contract::{Refusal, hash, receive};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand_distr::{Distribution as _, Zipf};
use serde_json::Value;
use serde_json::value::RawValue;

use super::message::MESSAGE_MAX_BYTES;
use super::phrases;

/// Why a file of jobs or filters cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JobsError {
    /// It is no file of jobs.
    #[error(transparent)]
    File(#[from] NotJobs),
    /// A file of filters without one.
    #[error("the file has no filters")]
    NoFilters,
    /// A job that could not get a record, or something that is no filter.
    #[error("{place}: {reason}")]
    Line {
        /// Where it is.
        place: Place,
        /// What is wrong with it.
        reason: String,
    },
}

/// The fields of jobs, most popular first.
#[derive(Debug)]
pub(crate) enum Source {
    /// The lines of a file.
    Lines(Vec<Line>),
    /// Queries in an order that the seed decides.
    Phrases,
}

/// A line's members other than `request_id`, as they stood: numbers keep their digits.
#[derive(Debug)]
pub(crate) struct Line {
    pub(super) members: String,
    pub(super) has_top_k: bool,
    pub(super) has_exclude: bool,
    pub(super) has_filter: bool,
}

impl Source {
    /// One job a line, or an array of jobs. Invalid jobs are welcome, as long as they get a record; blank lines are
    /// skipped.
    pub(crate) fn from_lines(file: impl AsRef<[u8]>) -> Result<Self, JobsError> {
        let line =
            |job: JobText<'_>| Line::read(job.body).map_err(|reason| JobsError::Line { place: job.place, reason });
        Ok(Self::Lines(jobs(file.as_ref())?.into_iter().map(line).collect::<Result<_, _>>()?))
    }

    /// How many different jobs there are to choose from.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.len() as u64,
            Self::Phrases => phrases::COUNT,
        }
    }

    /// The length of the longest job that a filter may be added to, in bytes; built-in queries are all short.
    pub(crate) fn longest_without_filter(&self) -> usize {
        match self {
            Self::Lines(lines) => {
                let open = lines.iter().filter(|line| !line.has_filter);
                open.map(|line| line.members.len()).max().unwrap_or(0)
            }
            Self::Phrases => 0,
        }
    }
}

impl Line {
    fn read(line: &str) -> Result<Self, String> {
        if !hash::parse_unique(line).map_err(|error| error.to_string())?.is_object() {
            return Err("not a JSON object".to_owned());
        }
        let mut object: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        object.remove("request_id");
        let text = serde_json::to_string(&object).map_err(|error| error.to_string())?;
        let members = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned();
        let body = with_request_id(&"x".repeat(64), &members);
        if body.len() > MESSAGE_MAX_BYTES {
            return Err(format!("is {} bytes; SQS allows at most {MESSAGE_MAX_BYTES}", body.len()));
        }
        if let Some(character) = forbidden(&body) {
            return Err(format!("contains the character {character}, which SQS rejects: write it as an escape"));
        }
        match receive(&body).map_err(|error| error.to_string())?.job {
            Err(Refusal::NewerVersion(version)) => Err(format!("version {version}: no worker would answer it")),
            Ok(_) | Err(Refusal::Invalid(_)) => Ok(Self {
                has_top_k: object.contains_key("top_k"),
                has_exclude: object.contains_key("exclude"),
                has_filter: object.contains_key("filter"),
                members,
            }),
        }
    }
}

/// Which of the source's jobs comes next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Choice {
    /// One after the other.
    InTurn,
    /// Each as often as any other.
    #[default]
    Uniform,
    /// The one at rank r with a weight of `1 / r^s`.
    Zipf { law: Zipf<f64>, exponent: f64 },
}

impl Choice {
    /// Zipf's law over the ranks `1..=count`; `exponent` is finite and not negative.
    pub(crate) fn zipf(count: u64, exponent: f64) -> Self {
        Zipf::new(count.max(1) as f64, exponent).map_or(Self::Uniform, |law| Self::Zipf { law, exponent })
    }

    /// The rank, from 0, for job `index` among `count`.
    pub(super) fn rank(self, index: u64, count: u64, random: &mut StdRng) -> u64 {
        match self {
            Self::InTurn => index % count,
            Self::Uniform => random.random_range(0..count),
            Self::Zipf { law, .. } => (law.sample(random) as u64).clamp(1, count) - 1,
        }
    }
}

pub(super) fn with_request_id(id: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{\"request_id\":{}{comma}{members}}}", Value::from(id))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_line_that_no_record_could_answer_is_named() {
        for (line, reason) in [
            ("{", "EOF"),
            ("[1]", "not a JSON object"),
            (r#"{"query":"a","query":"b"}"#, "appears twice"),
            (r#"{"query":"a","version":2}"#, "version 2"),
            (r#"{"query":"party \ud83d"}"#, "half a character"),
            ("{\"query\":\"a\u{ffff}\"}", "U+FFFF, which SQS rejects"),
        ] {
            let error = Source::from_lines(format!("{{}}\n{line}")).unwrap_err().to_string();
            assert!(error.starts_with("line 2: ") && error.contains(reason), "{error}");
        }
        assert_eq!(Source::from_lines(" \n").unwrap_err(), JobsError::File(NotJobs::Empty));
    }

    #[test]
    fn files_are_taken_as_people_have_them_and_named_if_they_are_something_else() {
        let line = r#"{"request_id":"a","query":"mug"}"#;
        for file in [format!("\u{feff}{line}\r\n{line}"), format!("[\n{line},\n{line}\n]\n")] {
            assert_eq!(Source::from_lines(&file).unwrap().len(), 2, "{file}");
        }
        let utf16: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (file, named) in [(&utf16[..], "this is UTF-16 text"), (b"request_id,query\na,mug", "looks like a table")] {
            let error = Source::from_lines(file).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn zipf_makes_the_first_ranks_popular_as_its_law_says() {
        let (choice, mut random) = (Choice::zipf(1_000, 1.0), StdRng::seed_from_u64(1));
        let mut counts = vec![0_u32; 1_000];
        (0..100_000).for_each(|index| counts[choice.rank(index, 1_000, &mut random) as usize] += 1);
        let harmonic: f64 = (1..=1_000).map(|rank| 1.0 / f64::from(rank)).sum();
        for rank in [1_u32, 2, 10, 50] {
            let expected = 100_000.0 / harmonic / f64::from(rank);
            let found = f64::from(counts[rank as usize - 1]);
            assert!((found - expected).abs() < 5.0 * expected.sqrt(), "rank {rank}: {found} of {expected}");
        }
    }
}
