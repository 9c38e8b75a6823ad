//! Lengths of time on the command line, written as `loadgen` takes them: `90s`, `2m`, `1h30m`. A bare number counts
//! seconds, for scripts.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Parses whole seconds in a range.
pub(super) fn within(
    seconds: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let parsed = text.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(text)).ok();
        let fits = |length: &Duration| length.subsec_nanos() == 0 && seconds.contains(&length.as_secs());
        parsed.filter(fits).ok_or_else(|| {
            let [least, most] = [seconds.start(), seconds.end()].map(|bound| written(Duration::from_secs(*bound)));
            format!("must be {least} to {most} in whole seconds, such as 90s or 2m; a bare number counts seconds")
        })
    }
}

/// As it is written on the command line.
pub(super) fn written(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_loadgen_and_a_bare_number_counts_seconds() {
        let parse = within(0..=86_400);
        for (text, seconds) in [("60", 60), ("60s", 60), ("2m", 120), ("1h30m", 5_400), ("1h 30m", 5_400), ("0", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_or_no_length_of_time_is_told_the_range() {
        let parse = within(1..=5_400);
        for text in ["0", "5401s", "2h", "1500ms", "-1", "1.5", "60 seconds later", ""] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("must be 1s to 1h 30m in whole seconds, such as 90s or 2m"), "{text}: {error}");
        }
    }
}
