//! How values are written for people.

use std::time::Duration;

/// What screen, table and page ask when no record came.
pub(crate) const NOTHING_ANSWERED: &str =
    "nothing was answered: is a worker running, and does it read from this queue and write to this table?";

/// As short as it can be: `1,500` for rates, `0.5`, `60,000`.
pub(crate) fn number(value: f64) -> String {
    let rounded = if value.abs() >= 100.0 { value.round() } else { (value * 100.0).round() / 100.0 };
    let text = format!("{rounded}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// `1 job`, `2 jobs`.
pub(crate) fn count(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(count as f64), if count == 1 { "" } else { "s" })
}

/// `1 job was`, `2 jobs were`.
pub(crate) fn was(number: u64, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "was" } else { "were" })
}

/// Milliseconds to three digits, in the unit that fits: `1.41 ms`, `141 ms`, `14.1 s`, `12m 5s`.
pub(crate) fn time(milliseconds: f64) -> String {
    let digits = |value: f64| format!("{value:.*}", if value < 9.995 { 2 } else { usize::from(value < 99.95) });
    match milliseconds / 1_000.0 {
        seconds if seconds >= 599.5 => duration(seconds.round()),
        seconds if milliseconds >= 999.5 => digits(seconds) + " s",
        _ => digits(milliseconds) + " ms",
    }
}

/// The same of a length of time.
pub(crate) fn span(length: Duration) -> String {
    time(length.as_secs_f64() * 1_000.0)
}

/// A round number of milliseconds on an axis: `0.1 ms`, `10 s`.
pub(crate) fn tick(milliseconds: f64) -> String {
    if milliseconds < 1_000.0 { number(milliseconds) + " ms" } else { number(milliseconds / 1_000.0) + " s" }
}

/// Seconds as durations are written on the command line: `2.5s`, `1m 30s`. Tenths only below ten seconds.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{}s", (seconds * 10.0).round() / 10.0);
    }
    humantime::format_duration(Duration::from_secs(seconds.round() as u64)).to_string()
}

/// `90` as `1:30`.
pub(crate) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

/// At most `room` characters; what is cut shows by an ellipsis.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_counts_agree_with_their_noun() {
        assert_eq!(
            [0.1, 12.345, 999.6, 1_500.0, 1_234_567.0, -1_000.0].map(number),
            ["0.1", "12.35", "1,000", "1,500", "1,234,567", "-1,000"]
        );
        assert_eq!([0, 1, 1_200].map(|jobs| count(jobs, "job")), ["0 jobs", "1 job", "1,200 jobs"]);
    }

    #[test]
    fn times_have_three_digits_and_the_unit_that_fits() {
        assert_eq!(
            [0.0, 0.126, 9.999, 14.14, 99.96, 999.4, 999.6, 10_000.0, 99_960.0, 599_400.0, 599_600.0, 725_000.0]
                .map(time),
            [
                "0.00 ms", "0.13 ms", "10.0 ms", "14.1 ms", "100 ms", "999 ms", "1.00 s", "10.0 s", "100 s", "599 s",
                "10m", "12m 5s"
            ]
        );
        assert_eq!([0.1, 100.0, 1_000.0, 1e6].map(tick), ["0.1 ms", "100 ms", "1 s", "1,000 s"]);
        assert_eq!([0.0, 2.0, 1.04, 5.1, 89.6, 3_600.0].map(duration), ["0s", "2s", "1s", "5.1s", "1m 30s", "1h"]);
        assert_eq!([0.0, 90.0, 3_725.0].map(clock), ["0:00", "1:30", "1:02:05"]);
    }

    #[test]
    fn what_is_cut_shows_it() {
        assert_eq!((cut("queue", 5), cut("queues", 5)), ("queue".to_owned(), "queu…".to_owned()));
    }
}
