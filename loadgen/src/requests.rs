//! Counts of the requests that a run makes, as they are billed.

use std::sync::{Mutex, MutexGuard, PoisonError};

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

impl Requests {
    /// A batch of so many bytes of message bodies was sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.send_message_batch += 1;
        self.send_message_batch_billed += (bytes as u64).div_ceil(SQS_BILLED_BYTES).max(1);
    }
}

/// Counts, shared by the clients of a run.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Requests>);

impl Meter {
    pub(crate) fn count(&self, change: impl FnOnce(&mut Requests)) {
        change(&mut self.lock());
    }

    pub(crate) fn requests(&self) -> Requests {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // a count cannot be left half made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_billed_for_each_64_kib_started() {
        let mut requests = Requests::default();
        for bytes in [0, 1, 65_536, 65_537, 1_048_576] {
            requests.sent(bytes);
        }
        assert_eq!((requests.send_message_batch, requests.send_message_batch_billed), (5, 1 + 1 + 1 + 2 + 16));
    }
}
