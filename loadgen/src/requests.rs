//! Counts of the requests that a run makes, as they are billed.

use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SQS bills a request for each so many bytes started.
pub(crate) const SQS_BILLED_BYTES: u64 = 64 * 1_024;

/// Requests that were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Requests {
    /// SQS `SendMessageBatch`.
    pub send_message_batch: u64,
    /// What SQS bills for them: one for each 64 KiB started.
    pub send_message_batch_billed: u64,
    /// SQS `GetQueueAttributes`.
    pub get_queue_attributes: u64,
    /// DynamoDB `BatchGetItem`.
    pub batch_get_item: u64,
    /// Keys in them.
    pub keys_looked_up: u64,
    /// Read units that DynamoDB says they took; one for each key where it does not say.
    pub read_units: f64,
    /// S3 `GetObject`, for results too large for a record.
    pub get_object: u64,
}

/// Counts, shared by the clients of a run.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    send_message_batch: AtomicU64,
    send_message_batch_billed: AtomicU64,
    get_queue_attributes: AtomicU64,
    batch_get_item: AtomicU64,
    keys_looked_up: AtomicU64,
    /// In thousandths.
    read_units: AtomicU64,
    get_object: AtomicU64,
}

impl Meter {
    /// A batch of so many bytes of message bodies was sent.
    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.send_message_batch, 1);
        add(&self.send_message_batch_billed, (bytes as u64).div_ceil(SQS_BILLED_BYTES).max(1));
    }

    pub(crate) fn queue_attributes_read(&self) {
        add(&self.get_queue_attributes, 1);
    }

    /// So many keys were looked up.
    pub(crate) fn looked_up(&self, keys: usize) {
        add(&self.batch_get_item, 1);
        add(&self.keys_looked_up, keys as u64);
    }

    /// What DynamoDB takes for it.
    pub(crate) fn read_units(&self, units: f64) {
        add(&self.read_units, (units * 1_000.0).round() as u64);
    }

    pub(crate) fn object_read(&self) {
        add(&self.get_object, 1);
    }

    pub(crate) fn requests(&self) -> Requests {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            send_message_batch: count(&self.send_message_batch),
            send_message_batch_billed: count(&self.send_message_batch_billed),
            get_queue_attributes: count(&self.get_queue_attributes),
            batch_get_item: count(&self.batch_get_item),
            keys_looked_up: count(&self.keys_looked_up),
            read_units: count(&self.read_units) as f64 / 1_000.0,
            get_object: count(&self.get_object),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_billed_for_each_64_kib_started() {
        let meter = Meter::default();
        for bytes in [0, 1, 65_536, 65_537, 1_048_576] {
            meter.sent(bytes);
        }
        let requests = meter.requests();
        assert_eq!((requests.send_message_batch, requests.send_message_batch_billed), (5, 1 + 1 + 1 + 2 + 16));
        (0..3).for_each(|_| meter.read_units(0.5));
        assert_eq!(meter.requests().read_units.to_bits(), 1.5_f64.to_bits());
    }
}
