//! A batch that is done, with all that is known of it: what became of its messages, where the time went.

use std::time::Duration;

use super::stages::Stages;

/// What became of the messages of a batch. All but `messages` add up to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Batch {
    /// Messages in it.
    pub messages: usize,
    /// New records with results.
    pub succeeded: usize,
    /// New records with an error.
    pub rejected: usize,
    /// Jobs that were answered before.
    pub replayed: usize,
    /// Messages that were moved to the dead-letter queue.
    pub dead_lettered: usize,
    /// Messages left on the queue, for another attempt.
    pub retried: usize,
    /// Messages left on the queue until an operator has acted.
    pub blocked: usize,
}

impl Batch {
    /// Adds up.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.succeeded += other.succeeded;
        self.rejected += other.rejected;
        self.replayed += other.replayed;
        self.dead_lettered += other.dead_lettered;
        self.retried += other.retried;
        self.blocked += other.blocked;
    }
}

/// A batch that is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Lambda's id of the invocation; empty elsewhere.
    pub invocation: String,
    /// X-Ray's id of the trace.
    pub trace: Option<String>,
    /// X-Ray's headers of the traces that its messages were sent in, as far as they were asked for.
    pub sent_in: Vec<String>,
    /// What became of its messages.
    pub batch: Batch,
    /// Where the time went.
    pub stages: Stages,
    /// Calls of the embedding model that this process had in flight when it was done.
    pub calls_in_flight: usize,
    /// From having it to having settled it.
    pub duration: Duration,
}

impl Done {
    /// Whether nothing stays on the queue or was dead-lettered.
    pub(super) fn went_well(&self) -> bool {
        let Batch { dead_lettered, retried, blocked, .. } = self.batch;
        dead_lettered + retried + blocked == 0
    }

    /// Adds another one: the slower of both gives times and ids.
    pub(super) fn merge(&mut self, other: Self) {
        let (mut slower, quicker) =
            if other.duration > self.duration { (other, std::mem::take(self)) } else { (std::mem::take(self), other) };
        slower.batch.add(&quicker.batch);
        slower.stages.add_counts(&quicker.stages);
        *self = slower;
    }

    /// Its numbers, by the fields that its line has them in.
    pub fn numbers(&self) -> [(&'static str, f64); 23] {
        let Self { batch, stages, calls_in_flight, duration, .. } = self;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        [
            ("messages", batch.messages as f64),
            ("succeeded", batch.succeeded as f64),
            ("rejected", batch.rejected as f64),
            ("replayed", batch.replayed as f64),
            ("dead_lettered", batch.dead_lettered as f64),
            ("retried", batch.retried as f64),
            ("blocked", batch.blocked as f64),
            ("duration_ms", ms(*duration)),
            ("wait_ms", ms(stages.wait)),
            ("look_up_ms", ms(stages.look_up.took)),
            ("embed_wait_ms", ms(stages.embed_wait.took)),
            ("embed_ms", ms(stages.embed.took)),
            ("scan_wait_ms", ms(stages.scan_wait.took)),
            ("scan_ms", ms(stages.scan_and_filter())),
            ("write_ms", ms(stages.write.took)),
            ("settle_ms", ms(stages.settle.took)),
            ("cache_hits", stages.cache_hits as f64),
            ("texts_embedded", stages.texts.count as f64),
            ("texts_per_call", stages.texts.mean()),
            ("queries_per_scan", stages.queries.mean()),
            ("rescored_share", stages.rescored_share()),
            ("filtered_share", stages.filtered_share()),
            ("calls_in_flight", *calls_in_flight as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::event;
    use super::super::stages::{Shared, Stretch};
    use super::super::tests::logged;
    use super::*;

    #[test]
    fn the_numbers_of_a_batch_are_those_of_its_line() {
        let stretch = |ms| Stretch { took: Duration::from_millis(ms), within: None };
        let stages = Stages {
            wait: Duration::from_millis(1),
            look_up: stretch(2),
            embed_wait: stretch(3),
            embed: stretch(4),
            filter: stretch(5),
            scan_wait: stretch(6),
            scan: stretch(7),
            write: stretch(8),
            settle: stretch(9),
            cache_hits: 10,
            texts: Shared { count: 11, together: 22 },
            queries: Shared { count: 12, together: 48 },
            rows: 100,
            passed: 50,
            rescored: 5,
        };
        let batch =
            Batch { messages: 21, succeeded: 1, rejected: 2, replayed: 3, dead_lettered: 4, retried: 5, blocked: 6 };
        let duration = Duration::from_millis(30);
        let done = Done { batch, stages, calls_in_flight: 31, duration, ..Done::default() };
        let line = logged(|| event::batch(&done, 1));
        for (field, number) in done.numbers() {
            assert_eq!(line[field].as_f64(), Some(number), "{field}");
        }
        let told = line.as_object().unwrap().iter().filter(|(field, value)| value.is_number() && *field != "batches");
        assert_eq!(told.count(), done.numbers().len(), "{line}");
    }
}
