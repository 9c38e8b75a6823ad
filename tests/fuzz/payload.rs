//! What a function is invoked with, in whatever way it was invoked.
//!
//! The parser is nobody's business outside the Lambda intake; its file is compiled into this test instead.

use crate::trial::measured;
use parser::Payload;

#[path = "../../src/intake/payload.rs"]
#[allow(unreachable_pub, reason = "public in its own crate")]
mod parser;

/// What the file calls `super::queue`.
mod queue {
    pub(crate) use nearline::intake::Delivery;
}

pub(crate) fn try_bytes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (read, memory) = measured(|| Payload::parse(&text));
    assert!(memory.bytes_total < 512 * text.len() as u64 + 65_536, "{} bytes", memory.bytes_total);
    match read {
        Ok(Payload::Batch(deliveries)) => {
            assert!(deliveries.iter().all(|delivery| !delivery.message_id.is_empty()));
            let bodies: usize = deliveries.iter().map(|delivery| delivery.body.len()).sum();
            assert!(bodies <= text.len(), "{bodies} bytes of bodies");
        }
        Ok(Payload::Job) => {}
        Err(message) => assert!(!message.is_empty()),
    }
}
