//! Which request ids the queue has, when several messages can have the same one.
//!
//! An id counts once, whichever of its messages is accepted first; a message that comes later repeats it. The first
//! message of an id can be accepted, or given up on, long after a repetition of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::second_look::SecondLook;
use crate::jobs::REPEAT_WITHIN;
use crate::window::Window;

/// Behind the newest message by more than a repeated one can be, for those that took long to be sent.
const KNOWN_IDS: usize = 4 * REPEAT_WITHIN as usize;

/// What is known of a request id.
#[derive(Debug, Clone, Copy, Default)]
enum Known {
    /// The queue does not have it.
    #[default]
    No,
    /// The queue has it, its record was not seen.
    Sent,
    /// Its record was seen and was right.
    Seen(SecondLook),
    /// The queue has it, and its record is not looked at, or not again.
    Done,
}

/// What an accepted message is.
#[derive(Debug)]
pub(super) enum Accepted {
    /// The first one of its id.
    New,
    /// One more of an id whose record is known.
    Repeats(SecondLook),
    /// One more of an id about whose record nothing is known, or nothing more is wanted.
    Nothing,
}

/// The ids of a run.
#[derive(Debug)]
pub(super) struct Identities {
    known: Window<Known>,
    /// Ids whose record was not seen and that a further message was accepted for.
    repeated: HashSet<u64>,
    /// Ids that a repetition was accepted for while their first message is still on its way.
    early: HashSet<u64>,
    /// Ids whose first message was given up on, and when it was meant to be sent.
    failed: HashMap<u64, Duration>,
}

impl Identities {
    pub(super) fn new() -> Self {
        let (repeated, early, failed) = (HashSet::new(), HashSet::new(), HashMap::new());
        Self { known: Window::new(KNOWN_IDS), repeated, early, failed }
    }

    /// The queue accepted a message of an id, `first` if it is the one that the id was made for; `looked_for` if the id's
    /// record is to be seen.
    pub(super) fn accepted(&mut self, id_index: u64, first: bool, looked_for: bool) -> Accepted {
        let new = if first {
            !self.early.remove(&id_index)
        } else if self.failed.remove(&id_index).is_some() {
            true
        } else {
            match self.known.get(id_index) {
                Some(Known::No) => self.early.insert(id_index),
                Some(Known::Sent | Known::Seen(_) | Known::Done) => false,
                // Too far back to know: its repetition is not followed.
                None => return Accepted::Nothing,
            }
        };
        if new {
            self.known.set(id_index, if looked_for { Known::Sent } else { Known::Done });
            return Accepted::New;
        }
        match self.known.get(id_index) {
            Some(Known::Seen(look)) => return Accepted::Repeats(look),
            Some(Known::Sent) => drop(self.repeated.insert(id_index)),
            Some(Known::No | Known::Done) | None => {}
        }
        Accepted::Nothing
    }

    /// A message of an id was given up on.
    pub(super) fn failed(&mut self, id_index: u64, first: bool, intended: Duration) {
        if first && !self.early.remove(&id_index) {
            self.failed.insert(id_index, intended);
        }
    }

    /// The record of an id was seen, `look` if it is to be looked at again. Returns whether a further message of it was
    /// accepted meanwhile.
    pub(super) fn seen(&mut self, id_index: u64, look: Option<SecondLook>) -> bool {
        self.known.set(id_index, look.map_or(Known::Done, Known::Seen));
        self.repeated.remove(&id_index)
    }

    /// The ids that the queue is not known to have, by number, and when they were meant to be sent.
    pub(super) fn take_failed(&mut self) -> Vec<(u64, Duration)> {
        let mut failed: Vec<(u64, Duration)> = self.failed.drain().collect();
        failed.sort_unstable();
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_new(accepted: &Accepted) -> bool {
        matches!(accepted, Accepted::New)
    }

    #[test]
    fn an_id_counts_once_in_whatever_order_its_messages_end() {
        let far = KNOWN_IDS as u64 + 10;
        // Each step is (accepted, first, by how much other messages move on before it).
        for (steps, new, failed) in [
            (&[(true, true, 0), (true, false, 0)][..], 1, 0),
            (&[(true, false, 0), (true, true, 0)], 1, 0),
            (&[(true, false, 0), (true, true, far)], 1, 0),
            (&[(false, true, 0), (true, false, 0)], 1, 0),
            (&[(false, true, 0), (true, false, far)], 1, 0),
            (&[(true, false, 0), (false, true, 0)], 1, 0),
            (&[(true, false, 0), (false, true, far)], 1, 0),
            (&[(true, true, 0), (false, false, 0)], 1, 0),
            (&[(false, true, 0), (false, false, 0)], 0, 1),
            (&[(true, false, 0), (true, false, 0), (true, true, 0), (true, false, 0)], 1, 0),
        ] {
            let mut ids = Identities::new();
            let mut opened = 0;
            for (accepted, first, others) in steps {
                if *others > 0 {
                    ids.accepted(7 + others, true, true);
                }
                if *accepted {
                    opened += u32::from(is_new(&ids.accepted(7, *first, true)));
                } else {
                    ids.failed(7, *first, Duration::ZERO);
                }
            }
            assert_eq!((opened, ids.take_failed().len()), (new, failed), "{steps:?}");
            assert!(ids.early.is_empty(), "{steps:?}");
        }
    }

    #[test]
    fn a_repetition_before_the_record_is_remembered_until_it_is_seen() {
        let mut ids = Identities::new();
        ids.accepted(1, true, true);
        ids.accepted(1, false, true);
        assert!(ids.seen(1, None) && !ids.seen(1, None));
        ids.accepted(2, true, false);
        ids.accepted(2, false, false);
        assert!(ids.repeated.is_empty(), "nothing is kept of ids that are not looked for");
    }
}
