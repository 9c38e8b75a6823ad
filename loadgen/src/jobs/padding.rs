//! Larger jobs, by excluding products that no catalog has: what makes real jobs large.

use std::fmt::Write as _;

/// The job with as many excluded products as make it `bytes` long; as it is if it is longer already.
pub(super) fn padded(body: String, bytes: usize) -> String {
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
