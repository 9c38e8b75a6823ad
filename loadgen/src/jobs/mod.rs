//! What is sent: message number `n` of a run, and the job that its request id stands for.
//!
//! A message is a function of the run and its number. Nothing about it is kept between its sending and its record, so
//! memory does not grow with the length of a run.

mod phrases;
mod source;

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::source::with_request_id;
pub(crate) use self::source::{Choice, JobsError, Source};

/// Largest message that SQS takes, and largest sum of a batch, in bytes.
pub(crate) const MESSAGE_MAX_BYTES: usize = 1_048_576;
/// A job is sent again, or its id taken by another job, at most this many messages later.
pub(crate) const REPEAT_WITHIN: u64 = 10_000;

/// What the traffic looks like.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub seed: u64,
    /// Which of the source's jobs comes next.
    pub choice: Choice,
    /// Share of messages that are a job sent before, byte for byte.
    pub duplicates: f64,
    /// Share of messages with the request id of a job sent before and another job.
    pub conflicts: f64,
    /// Share of messages with a job that breaks a rule.
    pub invalid: f64,
    /// `top_k` of the jobs that name none.
    pub top_k: Option<u16>,
    /// How many tenants the messages come from; 0 = none is named.
    pub tenants: u32,
    /// Which of them a message comes from.
    pub tenant_choice: Choice,
    /// Least size of a message; the size is chosen evenly from the range.
    pub payload_bytes: Option<RangeInclusive<usize>>,
}

impl Shape {
    /// Plain traffic.
    #[cfg(test)]
    pub(crate) fn plain(seed: u64, choice: Choice) -> Self {
        let (duplicates, conflicts, invalid) = (0.0, 0.0, 0.0);
        let (top_k, tenants, tenant_choice, payload_bytes) = (None, 0, Choice::Uniform, None);
        Self { seed, choice, duplicates, conflicts, invalid, top_k, tenants, tenant_choice, payload_bytes }
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A job of its own, valid or as the file has it.
    Original,
    /// A job of its own that breaks a rule.
    Invalid,
    /// The message of that number again.
    Duplicate { of: u64 },
    /// Another job under the request id of the message of that number.
    Conflict { with: u64 },
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its number, from 0.
    pub index: u64,
    pub kind: Kind,
}

impl Message {
    /// The number of the message that first had the same request id.
    pub(crate) fn id_index(&self) -> u64 {
        match self.kind {
            Kind::Original | Kind::Invalid => self.index,
            Kind::Duplicate { of: first } | Kind::Conflict { with: first } => first,
        }
    }
}

/// The messages of one run.
#[derive(Debug)]
pub(crate) struct Jobs {
    run_id: String,
    source: Source,
    shape: Shape,
}

/// Independent random numbers for each purpose, so that one option does not change what another one draws.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Kind,
    Repeat,
    Choice,
    Tenant,
    Payload,
}

impl Jobs {
    /// The messages of run `run_id`.
    pub(crate) fn new(run_id: String, source: Source, shape: Shape) -> Self {
        Self { run_id, source, shape }
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The message of number `index`, if `was_sent` holds for the one that it repeats; otherwise a job of its own.
    pub(crate) fn message(&self, index: u64, was_sent: impl Fn(u64) -> bool) -> Message {
        let planned = self.planned(index);
        let repeats = planned.id_index() != index;
        let kind = if repeats && !was_sent(planned.id_index()) { Kind::Original } else { planned.kind };
        Message { index, kind }
    }

    /// The message of number `index` in a run in which everything could be sent.
    pub(crate) fn planned(&self, index: u64) -> Message {
        let kind = match self.draw(index) {
            Drawn::Original => Kind::Original,
            Drawn::Invalid => Kind::Invalid,
            Drawn::Duplicate => self.repeated(index).map_or(Kind::Original, |of| Kind::Duplicate { of }),
            Drawn::Conflict => self.repeated(index).map_or(Kind::Original, |with| Kind::Conflict { with }),
        };
        Message { index, kind }
    }

    /// The request id that a message has; no other run has it.
    pub(crate) fn request_id(&self, id_index: u64) -> String {
        format!("load-{}-{id_index}", self.run_id)
    }

    /// What a FIFO queue knows the message by: repeated messages must not be dropped before the worker sees them.
    pub(crate) fn deduplication_id(&self, message: &Message) -> String {
        format!("load-{}-m{}", self.run_id, message.index)
    }

    /// The tenant that a message comes from; all messages of a request id have the same.
    pub(crate) fn tenant(&self, message: &Message) -> Option<String> {
        let (count, index) = (u64::from(self.shape.tenants), message.id_index());
        let mut random = self.random(index, Purpose::Tenant);
        (count > 0).then(|| format!("tenant-{}", self.shape.tenant_choice.rank(index, count, &mut random)))
    }

    /// The message's body.
    pub(crate) fn body(&self, message: &Message) -> String {
        match message.kind {
            Kind::Original | Kind::Invalid | Kind::Duplicate { .. } => self.job(message.id_index()),
            Kind::Conflict { with } => {
                let (id, phrase) = (self.request_id(with), self.phrase(message.index));
                with_request_id(&id, &format!(r#""query":"conflict {} {phrase}""#, message.index))
            }
        }
    }

    /// The body of the job that request id number `id_index` stands for.
    pub(crate) fn job(&self, id_index: u64) -> String {
        let id = self.request_id(id_index);
        if self.draw(id_index) == Drawn::Invalid {
            return with_request_id(&id, &self.invalid(id_index));
        }
        let rank = self.rank(id_index);
        let (mut members, has_top_k, has_exclude) = match &self.source {
            Source::Lines(lines) => {
                let line = &lines[rank as usize];
                (line.members.clone(), line.has_top_k, line.has_exclude)
            }
            Source::Phrases => (format!(r#""query":"{}""#, phrases::phrase(self.shape.seed, rank)), false, false),
        };
        if let Some(top_k) = self.shape.top_k.filter(|_| !has_top_k) {
            let comma = if members.is_empty() { "" } else { "," };
            let _ = write!(members, "{comma}\"top_k\":{top_k}"); // writing to a String cannot fail
        }
        let body = with_request_id(&id, &members);
        match &self.shape.payload_bytes {
            Some(range) if !has_exclude => {
                let bytes = self.random(id_index, Purpose::Payload).random_range(range.clone());
                padded(body, bytes)
            }
            _ => body,
        }
    }

    /// The bodies of the conflicts planned for request id number `id_index`. Looks at every message that can be one.
    pub(crate) fn conflicts(&self, id_index: u64) -> impl Iterator<Item = String> {
        let last = if self.shape.conflicts > 0.0 { id_index.saturating_add(REPEAT_WITHIN) } else { id_index };
        (id_index + 1..=last)
            .map(|index| self.planned(index))
            .filter(move |message| message.kind == Kind::Conflict { with: id_index })
            .map(|message| self.body(&message))
    }

    fn draw(&self, index: u64) -> Drawn {
        let Shape { invalid, duplicates, conflicts, .. } = self.shape;
        if invalid + duplicates + conflicts == 0.0 {
            return Drawn::Original;
        }
        let drawn: f64 = self.random(index, Purpose::Kind).random();
        if drawn < invalid {
            Drawn::Invalid
        } else if drawn < invalid + duplicates {
            Drawn::Duplicate
        } else if drawn < invalid + duplicates + conflicts {
            Drawn::Conflict
        } else {
            Drawn::Original
        }
    }

    /// The job that message `index` repeats: as often one of the last ten, so that both meet in one batch, as one that is
    /// ten, a hundred or a thousand times as far back.
    fn repeated(&self, index: u64) -> Option<u64> {
        let furthest = index.min(REPEAT_WITHIN);
        if furthest == 0 {
            return None;
        }
        let distance = (furthest as f64).powf(self.random(index, Purpose::Repeat).random()).floor() as u64;
        let nearest = index - distance.clamp(1, furthest);
        (index - furthest..=nearest).rev().find(|candidate| self.draw(*candidate) == Drawn::Original)
    }

    fn rank(&self, index: u64) -> u64 {
        self.shape.choice.rank(index, self.source.len(), &mut self.random(index, Purpose::Choice))
    }

    fn phrase(&self, index: u64) -> String {
        phrases::phrase(self.shape.seed, self.random(index, Purpose::Choice).random_range(0..phrases::COUNT))
    }

    /// A job that breaks a rule of the contract; which one changes from job to job.
    fn invalid(&self, index: u64) -> String {
        let phrase = self.phrase(index);
        match index % 5 {
            0 => format!(r#""query":"{phrase}","topk":5"#),
            1 => format!(r#""query":"{phrase}","top_k":0"#),
            2 => r#""top_k":5"#.to_owned(),
            3 => format!(r#""query":"{phrase}","product_id":"sku-1""#),
            _ => r#""vector":[0,0,0]"#.to_owned(),
        }
    }

    /// A generator for each message and purpose, not one for the run: message `index` must be the same whenever it is
    /// asked for.
    fn random(&self, index: u64, purpose: Purpose) -> StdRng {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.shape.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&index.to_le_bytes());
        bytes[16] = purpose as u8;
        StdRng::from_seed(bytes)
    }
}

/// What a message's own random number makes of it, before it is known whether there is a job to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drawn {
    Original,
    Invalid,
    Duplicate,
    Conflict,
}

/// Whether request id number `index` is among the share `share` of all that is chosen for every run alike.
pub(crate) fn is_sampled(index: u64, share: f64) -> bool {
    // SplitMix64's finisher: spreads neighbouring numbers evenly.
    let mut bits = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    share >= 1.0 || (bits as f64) < share * u64::MAX as f64
}

/// A job as large as `bytes`, by excluding products that no catalog has: what makes real jobs large.
fn padded(body: String, bytes: usize) -> String {
    const OPEN: &str = ",\"exclude\":[";
    const ID_BYTES: usize = 24;
    let Some(room) = bytes.checked_sub(body.len() + OPEN.len() + 1) else { return body };
    let mut padded = body;
    padded.pop(); // the brace
    padded.push_str(OPEN);
    let (mut left, mut number) = (room, 0);
    while left > 2 {
        // Quotes and, but for the first one, a comma belong to each; what would be too short for one more is added.
        let comma = usize::from(number > 0);
        let length = if left < 2 * (ID_BYTES + 3) { left - 2 - comma } else { ID_BYTES };
        let _ = write!(padded, "{}\"{number:->length$}\"", &","[..comma]); // writing to a String cannot fail
        left -= length + 2 + comma;
        number += 1;
    }
    padded.push_str("]}");
    padded
}

/// Whether an excluded product is one of those that only make a job larger.
pub(crate) fn is_padding(product_id: &str) -> bool {
    product_id.starts_with("----")
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use nearline_contract::{Refusal, Target, receive};

    use super::*;

    fn jobs(run: &str, text: &str) -> Jobs {
        Jobs::new(run.into(), Source::from_lines(text).unwrap(), Shape::plain(0, Choice::InTurn))
    }

    fn shaped(change: impl FnOnce(&mut Shape)) -> Jobs {
        let mut shape = Shape::plain(7, Choice::Uniform);
        change(&mut shape);
        Jobs::new("run".into(), Source::Phrases, shape)
    }

    #[test]
    fn lines_are_cycled_with_their_request_id_replaced_and_their_digits_kept() {
        let text = "{\"query\":\"a\",\"request_id\":\"mine\"}\n\n{ \"vector\": [1.00000005960464477540, 2] }\n";
        let jobs = jobs("run", text);
        assert_eq!(jobs.job(0), r#"{"request_id":"load-run-0","query":"a"}"#);
        assert_eq!(jobs.job(1), r#"{"request_id":"load-run-1","vector":[1.00000005960464477540, 2]}"#);
        assert_eq!(jobs.job(2), r#"{"request_id":"load-run-2","query":"a"}"#);
    }

    #[test]
    fn the_seed_decides_all_but_the_request_ids() {
        let queries = |run: &str, seed| -> Vec<Target> {
            let jobs = Jobs::new(run.into(), Source::Phrases, Shape::plain(seed, Choice::zipf(1_000, 1.0)));
            (0..200).map(|index| receive(&jobs.job(index)).unwrap().job.unwrap().target).collect()
        };
        assert_eq!(queries("a", 7), queries("b", 7));
        assert_ne!(queries("a", 7), queries("a", 8));
    }

    #[test]
    fn uniform_phrases_hardly_ever_repeat() {
        let jobs = shaped(|_| {});
        let distinct: HashSet<String> = (0..10_000).map(|index| jobs.job(index).split_off(20)).collect();
        assert!(distinct.len() > 9_900, "{}", distinct.len());
    }

    #[test]
    fn kinds_come_in_the_shares_asked_for() {
        let jobs = shaped(|shape| (shape.duplicates, shape.conflicts, shape.invalid) = (0.05, 0.01, 0.02));
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for index in 0..50_000 {
            let message = jobs.planned(index);
            let name = match message.kind {
                Kind::Original => "original",
                Kind::Invalid => "invalid",
                Kind::Duplicate { .. } => "duplicate",
                Kind::Conflict { .. } => "conflict",
            };
            *counts.entry(name).or_default() += 1;
            if let Kind::Duplicate { of: first } | Kind::Conflict { with: first } = message.kind {
                assert!(first < index && first + REPEAT_WITHIN >= index);
                assert_eq!(jobs.planned(first).kind, Kind::Original);
            }
        }
        for (name, expected) in [("duplicate", 2_500), ("conflict", 500), ("invalid", 1_000)] {
            assert!(counts[name].abs_diff(expected) < expected / 5, "{counts:?}");
        }
    }

    #[test]
    fn a_duplicate_is_the_same_bytes_and_a_conflict_is_another_job_under_the_same_id() {
        let jobs = shaped(|shape| (shape.duplicates, shape.conflicts) = (0.2, 0.2));
        let (mut duplicates, mut conflicts) = (0, 0);
        for index in 0..500 {
            let message = jobs.planned(index);
            let (first, body) = (jobs.job(message.id_index()), jobs.body(&message));
            let (original, received) = (receive(&first).unwrap(), receive(&body).unwrap());
            assert_eq!(original.request_id, received.request_id);
            match message.kind {
                Kind::Duplicate { .. } => {
                    assert_eq!(first, body);
                    duplicates += 1;
                }
                Kind::Conflict { with } => {
                    assert_ne!(original.sha256, received.sha256);
                    assert!(received.job.is_ok() && jobs.conflicts(with).any(|planned| planned == body));
                    conflicts += 1;
                }
                Kind::Original | Kind::Invalid => assert_eq!(message.id_index(), index),
            }
        }
        assert!(duplicates > 50 && conflicts > 50, "{duplicates} {conflicts}");
    }

    #[test]
    fn duplicates_are_near_and_far() {
        let jobs = shaped(|shape| shape.duplicates = 0.5);
        let distances: Vec<u64> = (20_000..30_000)
            .map(|index| jobs.planned(index))
            .filter(|message| message.id_index() != message.index)
            .map(|message| message.index - message.id_index())
            .collect();
        for (name, range) in [("same batch", 1..10_u64), ("a second", 10..1_000), ("long ago", 1_000..10_001)] {
            let count = distances.iter().filter(|distance| range.contains(*distance)).count();
            let share = count as f64 / distances.len() as f64;
            assert!(share > 0.15, "{name}: {share}");
        }
    }

    #[test]
    fn what_repeats_a_message_that_was_never_sent_is_a_job_of_its_own() {
        let jobs = shaped(|shape| shape.duplicates = 0.9);
        let message =
            (1..100).map(|index| jobs.planned(index)).find(|message| message.id_index() != message.index).unwrap();
        assert_eq!(jobs.message(message.index, |_| true), message);
        let alone = jobs.message(message.index, |_| false);
        assert_eq!(alone, Message { index: message.index, kind: Kind::Original });
        assert!(jobs.body(&alone).contains(&format!("load-run-{}\"", message.index)));
    }

    #[test]
    fn invalid_jobs_break_different_rules() {
        let jobs = shaped(|shape| shape.invalid = 1.0);
        let mut codes: Vec<&str> = (0..5)
            .map(|index| match receive(&jobs.job(index)).unwrap().job {
                Err(Refusal::Invalid(error)) => error.code.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        codes.sort_unstable();
        assert_eq!(codes, ["conflicting_fields", "invalid_vector", "missing_field", "out_of_range", "unknown_field"]);
    }

    #[test]
    fn messages_have_the_size_asked_for_and_stay_valid() {
        for bytes in (120..400).chain([1_000, 65_536, MESSAGE_MAX_BYTES]) {
            let jobs = shaped(|shape| shape.payload_bytes = Some(bytes..=bytes));
            let plain = shaped(|_| {}).job(3).len();
            let body = jobs.job(3);
            assert!(receive(&body).unwrap().job.is_ok(), "{body}");
            let least = plain + 15; // the field itself, with nothing in it
            assert!(
                body.len() == bytes || (bytes < least + 3 && body.len() <= bytes.max(plain)),
                "{bytes}: {}",
                body.len()
            );
        }
        let jobs = shaped(|shape| shape.payload_bytes = Some(500..=4_000));
        let sizes: Vec<usize> = (0..500).map(|index| jobs.job(index).len()).collect();
        assert!(sizes.iter().all(|bytes| (500..=4_000).contains(bytes)));
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() > 3_000);
    }

    #[test]
    fn top_k_is_set_where_a_job_names_none() {
        let source = Source::from_lines("{\"query\":\"a\"}\n{\"query\":\"a\",\"top_k\":3}").unwrap();
        let jobs = Jobs::new("r".into(), source, Shape { top_k: Some(9), ..Shape::plain(0, Choice::InTurn) });
        let top_k = |index| receive(&jobs.job(index)).unwrap().job.unwrap().top_k;
        assert_eq!([top_k(0), top_k(1)], [9, 3]);
    }

    #[test]
    fn tenants_are_named_if_there_are_any_and_as_unequal_as_the_queries() {
        let tenant = |jobs: &Jobs, index| jobs.tenant(&Message { index, kind: Kind::Original });
        assert_eq!(tenant(&shaped(|_| {}), 1), None);
        let counts = |jobs: Jobs| -> Vec<usize> {
            let all: Vec<String> = (0..3_000).map(|index| tenant(&jobs, index).unwrap()).collect();
            (0..3).map(|number| all.iter().filter(|name| **name == format!("tenant-{number}")).count()).collect()
        };
        let even = counts(shaped(|shape| shape.tenants = 3));
        assert!(even.iter().all(|count| count.abs_diff(1_000) < 150), "{even:?}");
        let uneven = counts(shaped(|shape| (shape.tenants, shape.tenant_choice) = (3, Choice::zipf(3, 2.0))));
        assert!(uneven[0] > 2 * uneven[1] && uneven[1] > uneven[2], "{uneven:?}");
    }

    #[test]
    fn a_sample_is_the_share_asked_for() {
        let count = (0..100_000).filter(|index| is_sampled(*index, 0.1)).count();
        assert!(count.abs_diff(10_000) < 400, "{count}");
        assert_eq!((0..1_000).filter(|index| is_sampled(*index, 1.0)).count(), 1_000);
        assert_eq!((0..1_000).filter(|index| is_sampled(*index, 0.0)).count(), 0);
    }
}
