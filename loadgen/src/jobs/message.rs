//! A message: its number, and what it is to the job that its request id stands for.

/// Largest message that SQS takes, and largest sum of a batch, in bytes.
pub(crate) const MESSAGE_MAX_BYTES: usize = 1_048_576;
/// A job is sent again, or its id taken by another job, at most this many messages later.
pub(crate) const REPEAT_WITHIN: u64 = 10_000;

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

/// Whether request id number `index` is among the share `share` of all that is chosen for every run alike.
pub(crate) fn is_sampled(index: u64, share: f64) -> bool {
    // SplitMix64's finisher: spreads neighbouring numbers evenly.
    let mut bits = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    share >= 1.0 || (bits as f64) < share * u64::MAX as f64
}
