//! What is sent: job number `n` of a run, and whether a record is right for it.
//!
//! A job is a function of the run and its number. Nothing about it is kept between its sending and its record, so
//! memory does not grow with the length of a run.

use std::collections::BTreeMap;

use nearline_contract::{ErrorCode, ReceivedJob, Refusal, SearchJob, Status, Target, hash, receive};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;
use serde_json::value::RawValue;

/// Largest message that SQS takes, and largest sum of a batch, in bytes.
pub(crate) const MESSAGE_MAX_BYTES: usize = 1_048_576;

/// The jobs of one run.
#[derive(Debug)]
pub(crate) struct Jobs {
    run_id: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// For each line its members other than `request_id`, as they stood: numbers keep their digits.
    Lines(Vec<String>),
    Phrases {
        seed: u64,
    },
}

/// A line of a jobs file that could not get a record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JobsError {
    /// The file has no jobs at all.
    #[error("no jobs in it")]
    Empty,
    /// The line, counted from 1, and what is wrong with it.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// The parts of a record that are checked; absent or of the wrong type is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub status: Option<String>,
    pub job_sha256: Option<String>,
    pub error_code: Option<String>,
}

/// What a record says about its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right, and answered.
    Succeeded,
    /// Right, and rejected.
    Rejected,
    /// Not a record that this job can have; the reason.
    Wrong(String),
}

impl Jobs {
    /// Built-in phrases in an order that `seed` decides.
    pub(crate) fn phrases(run_id: String, seed: u64) -> Self {
        Self { run_id, source: Source::Phrases { seed } }
    }

    /// One job a line, cycled. Invalid jobs are welcome, as long as they get a record; blank lines are skipped.
    pub(crate) fn from_lines(run_id: String, text: &str) -> Result<Self, JobsError> {
        let lines: Vec<String> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| members(line).map_err(|reason| JobsError::Line { line: index + 1, reason }))
            .collect::<Result<_, _>>()?;
        if lines.is_empty() { Err(JobsError::Empty) } else { Ok(Self { run_id, source: Source::Lines(lines) }) }
    }

    /// The request id of job `index`: no other run has it.
    pub(crate) fn request_id(&self, index: u64) -> String {
        format!("load-{}-{index}", self.run_id)
    }

    /// The message body of job `index`.
    pub(crate) fn body(&self, index: u64) -> String {
        let id = self.request_id(index);
        match &self.source {
            Source::Lines(lines) => with_request_id(&id, &lines[(index % lines.len() as u64) as usize]),
            Source::Phrases { seed } => with_request_id(&id, &format!(r#""query":"{}""#, phrase(*seed, index))),
        }
    }

    /// Whether `record` is one that job `index` can have.
    pub(crate) fn judge(&self, index: u64, record: &Record) -> Verdict {
        let ReceivedJob { sha256, job, .. } = match receive(&self.body(index)) {
            Ok(received) => received,
            Err(error) => return Verdict::Wrong(format!("a record for a job that can have none: {error}")),
        };
        if record.job_sha256.as_ref() != Some(&sha256) {
            let found = record.job_sha256.as_deref().unwrap_or("nothing");
            return Verdict::Wrong(format!("job_sha256 is {found} instead of {sha256}"));
        }
        let status = record.status.as_deref();
        if job.is_ok() && status == Some(Status::Succeeded.as_str()) {
            return Verdict::Succeeded;
        }
        let code = record.error_code.as_deref();
        let justified = code.and_then(|code| code.parse().ok()).is_some_and(|code| match &job {
            Ok(job) => catalog_may_refuse(job, code),
            Err(Refusal::Invalid(error)) => error.code == code,
            Err(Refusal::NewerVersion(_)) => false,
        });
        if status == Some(Status::Rejected.as_str()) && justified {
            return Verdict::Rejected;
        }
        let found = [status.unwrap_or("no status"), code.unwrap_or_default()].join(" ");
        let expected = match &job {
            Ok(_) => "a valid job".to_owned(),
            Err(Refusal::Invalid(error)) => format!("a job that is {}", error.code),
            Err(Refusal::NewerVersion(version)) => format!("a job of version {version}"),
        };
        Verdict::Wrong(format!("{} for {expected}", found.trim_end()))
    }
}

/// Whether a job that is valid by itself can be rejected with `code` for what the catalog or the clock says.
fn catalog_may_refuse(job: &SearchJob, code: ErrorCode) -> bool {
    match code {
        ErrorCode::UnknownCategory => job.categories.is_some(),
        ErrorCode::UnknownProduct => matches!(job.target, Target::ProductId(_)),
        ErrorCode::DimensionMismatch => matches!(job.target, Target::Vector(_)),
        ErrorCode::MissingField => matches!(job.target, Target::Query(_)),
        ErrorCode::Expired => job.not_after.is_some(),
        ErrorCode::ResultTooLarge => true,
        ErrorCode::InvalidJson
        | ErrorCode::InvalidRequestId
        | ErrorCode::UnknownField
        | ErrorCode::ConflictingFields
        | ErrorCode::OutOfRange
        | ErrorCode::InvalidVector
        | ErrorCode::RequestIdConflict
        | ErrorCode::AttemptsExhausted => false,
    }
}

/// The members of a job's object other than `request_id`, or why no record could answer it.
fn members(line: &str) -> Result<String, String> {
    if !hash::parse_unique(line).map_err(|error| error.to_string())?.is_object() {
        return Err("not a JSON object".to_owned());
    }
    let mut object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    object.remove("request_id");
    let text = serde_json::to_string(&object).map_err(|error| error.to_string())?;
    let members = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
    let body = with_request_id(&"x".repeat(64), members);
    if body.len() > MESSAGE_MAX_BYTES {
        return Err(format!("{} bytes: a message has at most {MESSAGE_MAX_BYTES}", body.len()));
    }
    match receive(&body).map_err(|error| error.to_string())?.job {
        Err(Refusal::NewerVersion(version)) => Err(format!("version {version}: no worker would answer it")),
        Ok(_) | Err(Refusal::Invalid(_)) => Ok(members.to_owned()),
    }
}

fn with_request_id(id: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{\"request_id\":{}{comma}{members}}}", Value::from(id))
}

const QUALITIES: [&str; 12] = [
    "cheap",
    "compact",
    "durable",
    "elegant",
    "foldable",
    "lightweight",
    "quiet",
    "rechargeable",
    "small",
    "sturdy",
    "waterproof",
    "wireless",
];
const THINGS: [&str; 24] = [
    "backpack",
    "bicycle light",
    "blender",
    "board game",
    "camera",
    "coffee grinder",
    "cookware set",
    "desk lamp",
    "drill",
    "garden hose",
    "hair dryer",
    "headphones",
    "keyboard",
    "kettle",
    "notebook",
    "office chair",
    "phone case",
    "rain jacket",
    "running shoes",
    "speaker",
    "tent",
    "vacuum cleaner",
    "watch",
    "yoga mat",
];
const USES: [&str; 8] = [
    "for a small flat",
    "for beginners",
    "for children",
    "for daily use",
    "for the office",
    "for travel",
    "for winter",
    "as a gift",
];

/// One of 2,304 phrases: a shopper's words, without characters that JSON escapes.
fn phrase(seed: u64, index: u64) -> String {
    // A generator for each job, not one for the run: job `index` must be the same whenever it is asked for.
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&index.to_le_bytes());
    let mut rng = StdRng::from_seed(bytes);
    [&QUALITIES[..], &THINGS, &USES].map(|words| words.choose(&mut rng).copied().unwrap_or_default()).join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn jobs(text: &str) -> Jobs {
        Jobs::from_lines("run".into(), text).unwrap()
    }

    fn record(jobs: &Jobs, index: u64, status: &str, code: Option<&str>) -> Record {
        Record {
            status: Some(status.into()),
            job_sha256: Some(receive(&jobs.body(index)).unwrap().sha256),
            error_code: code.map(Into::into),
        }
    }

    #[test]
    fn lines_are_cycled_with_their_request_id_replaced_and_their_digits_kept() {
        let jobs = jobs("{\"query\":\"a\",\"request_id\":\"mine\"}\n\n{ \"vector\": [1.00000005960464477540, 2] }\n");
        assert_eq!(jobs.body(0), r#"{"request_id":"load-run-0","query":"a"}"#);
        assert_eq!(jobs.body(1), r#"{"request_id":"load-run-1","vector":[1.00000005960464477540, 2]}"#);
        assert_eq!(jobs.body(2), r#"{"request_id":"load-run-2","query":"a"}"#);
    }

    #[test]
    fn a_line_that_no_record_could_answer_is_named() {
        for (line, reason) in [
            ("{", "EOF"),
            ("[1]", "not a JSON object"),
            (r#"{"query":"a","query":"b"}"#, "appears twice"),
            (r#"{"query":"a","version":2}"#, "version 2"),
        ] {
            let error = Jobs::from_lines("run".into(), &format!("{{}}\n{line}")).unwrap_err().to_string();
            assert!(error.starts_with("line 2: ") && error.contains(reason), "{error}");
        }
        assert_eq!(Jobs::from_lines("run".into(), " \n").unwrap_err(), JobsError::Empty);
    }

    #[test]
    fn phrases_are_valid_jobs_that_the_seed_decides() {
        let queries = |run: &str, seed| -> Vec<Target> {
            let jobs = Jobs::phrases(run.into(), seed);
            (0..200).map(|index| receive(&jobs.body(index)).unwrap().job.unwrap().target).collect()
        };
        assert_eq!(queries("a", 7), queries("b", 7));
        assert_ne!(queries("a", 7), queries("a", 8));
        let distinct: HashSet<String> = queries("a", 7).iter().map(|target| format!("{target:?}")).collect();
        assert!(distinct.len() > 150, "{}", distinct.len());
    }

    #[test]
    fn a_record_is_right_for_its_own_job_only() {
        let jobs = jobs(r#"{"query":"a"}"#);
        assert_eq!(jobs.judge(3, &record(&jobs, 3, "SUCCEEDED", None)), Verdict::Succeeded);
        for wrong in [record(&jobs, 4, "SUCCEEDED", None), record(&jobs, 3, "DONE", None), Record::default()] {
            assert!(matches!(jobs.judge(3, &wrong), Verdict::Wrong(_)), "{wrong:?}");
        }
    }

    #[test]
    fn an_invalid_job_is_rejected_with_its_own_code() {
        let jobs = jobs(r#"{"query":"a","top_k":0}"#);
        assert_eq!(jobs.judge(0, &record(&jobs, 0, "REJECTED", Some("out_of_range"))), Verdict::Rejected);
        for (status, code) in [("SUCCEEDED", None), ("REJECTED", None), ("REJECTED", Some("unknown_field"))] {
            let verdict = jobs.judge(0, &record(&jobs, 0, status, code));
            assert!(matches!(verdict, Verdict::Wrong(_)), "{status} {code:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_valid_job_is_rejected_only_for_what_the_catalog_can_lack() {
        let jobs = jobs("{\"product_id\":\"p\"}\n{\"query\":\"a\",\"categories\":[\"c\"]}");
        for (index, code, verdict) in [
            (0, "unknown_product", Verdict::Rejected),
            (1, "unknown_category", Verdict::Rejected),
            (1, "missing_field", Verdict::Rejected),
            (0, "unknown_category", Verdict::Wrong("REJECTED unknown_category for a valid job".into())),
            (1, "out_of_range", Verdict::Wrong("REJECTED out_of_range for a valid job".into())),
        ] {
            assert_eq!(jobs.judge(index, &record(&jobs, index, "REJECTED", Some(code))), verdict, "{index} {code}");
        }
    }
}
