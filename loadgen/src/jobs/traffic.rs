//! The messages of one run, each a function of the run and its number.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::filters::Filters;
use super::message::{Kind, Message, REPEAT_WITHIN};
use super::padding::padded;
use super::phrases;
use super::source::{Choice, Source, with_request_id};

/// An attribute that no catalog has: what jobs name that must be rejected for it.
pub(crate) const NO_ATTRIBUTE: &str = "loadgen-no-such-attribute";

/// What the traffic looks like.
#[derive(Debug, Clone, Default)]
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
    /// One of these for each of the jobs that name no filter.
    pub filters: Option<Filters>,
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
        Self { seed, choice, ..Self::default() }
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
    Filter,
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

    pub(crate) fn choice(&self) -> Choice {
        self.shape.choice
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
                let mut members = format!(r#""query":"conflict {} {phrase}""#, message.index);
                self.add_filter(&mut members, message.index);
                with_request_id(&id, &members)
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
        let (mut members, has_top_k, has_exclude, has_filter) = match &self.source {
            Source::Lines(lines) => {
                let line = &lines[rank as usize];
                (line.members.clone(), line.has_top_k, line.has_exclude, line.has_filter)
            }
            Source::Phrases => {
                (format!(r#""query":"{}""#, phrases::phrase(self.shape.seed, rank)), false, false, false)
            }
        };
        if let Some(top_k) = self.shape.top_k.filter(|_| !has_top_k) {
            add_member(&mut members, "top_k", top_k);
        }
        if !has_filter {
            self.add_filter(&mut members, id_index);
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

    /// The filter that job `index` gets, if it gets one.
    fn add_filter(&self, members: &mut String, index: u64) {
        let filters = self.shape.filters.as_ref();
        if let Some(filter) = filters.and_then(|filters| filters.choose(&mut self.random(index, Purpose::Filter))) {
            add_member(members, "filter", filter);
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

    /// A job that breaks a rule of the contract, or names what no catalog has; which one changes from job to job.
    fn invalid(&self, index: u64) -> String {
        let phrase = self.phrase(index);
        match index % 7 {
            0 => format!(r#""query":"{phrase}","topk":5"#),
            1 => format!(r#""query":"{phrase}","top_k":0"#),
            2 => r#""top_k":5"#.to_owned(),
            3 => format!(r#""query":"{phrase}","product_id":"sku-1""#),
            4 => format!(r#""query":"{phrase}","filter":{{"price":{{"$lt":"cheap"}}}}"#),
            5 => format!(r#""query":"{phrase}","filter":{{"{NO_ATTRIBUTE}":{{"$exists":true}}}}"#),
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

/// Adds a member to those of a job.
fn add_member(members: &mut String, name: &str, value: impl std::fmt::Display) {
    let comma = if members.is_empty() { "" } else { "," };
    let _ = write!(members, "{comma}\"{name}\":{value}"); // writing to a String cannot fail
}

/// What a message's own random number makes of it, before it is known whether there is a job to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drawn {
    Original,
    Invalid,
    Duplicate,
    Conflict,
}
