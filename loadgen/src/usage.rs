//! What this process has taken of the machine.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor time in user and system mode, and most memory resident at once, in bytes. Zero where the system does not say.
pub(crate) fn usage() -> (Duration, u64) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return (Duration::ZERO, 0) };
    let time = |time: TimeVal| {
        Duration::new(time.tv_sec().try_into().unwrap_or_default(), 1_000 * time.tv_usec().try_into().unwrap_or(0_u32))
    };
    // Linux counts kilobytes, macOS bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1_024 };
    (time(usage.user_time()) + time(usage.system_time()), u64::try_from(usage.max_rss()).unwrap_or_default() * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time_and_memory() {
        let (before, _) = usage();
        let mut work = vec![1_u64; 1 << 20];
        while usage().0 < before + Duration::from_millis(20) {
            for value in &mut work {
                *value = std::hint::black_box(value.wrapping_mul(3));
            }
        }
        assert!(usage().1 > 8 << 20, "{}", usage().1);
    }
}
