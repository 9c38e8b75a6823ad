//! Files of jobs, or of something else, from any producer.

use nearline_contract::lines::jobs;

use crate::trial::measured;

/// Allocated in all, for each byte of a file: a line may have two of them.
const BYTES_FOR_BYTE: u64 = 64;
/// Longest message: people read it in a terminal.
const MESSAGE_BYTES_MAX: usize = 500;

pub(crate) fn try_bytes(bytes: &[u8]) {
    let (cut, memory) = measured(|| jobs(bytes));
    let most = BYTES_FOR_BYTE * bytes.len() as u64 + 32_768;
    assert!(memory.bytes_total < most, "{} bytes for {}", memory.bytes_total, bytes.len());
    let cut = match cut {
        Ok(cut) => cut,
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < MESSAGE_BYTES_MAX, "{message}");
            return;
        }
    };
    let text = std::str::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(cut[0].body.trim_start().starts_with('{'), "{cut:?}");
    for job in &cut {
        assert!(!job.body.trim().is_empty());
        let start = job.body.lines().next().unwrap();
        assert!(lines[job.place.line - 1].contains(start), "{job:?} does not begin in its line");
    }
    assert!(cut.windows(2).all(|pair| pair[0].place < pair[1].place), "{cut:?}");
}
