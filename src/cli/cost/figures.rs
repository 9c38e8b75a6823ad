//! How figures are written for people.

/// `1,234.56`; what is less than a cent but not nothing is `<0.01`.
pub(super) fn usd(usd: f64) -> String {
    match usd {
        usd if usd.abs() < 1e-9 => "-".to_owned(),
        usd if usd < 0.005 => "<0.01".to_owned(),
        usd if usd >= 99_999.5 => grouped(usd, 0),
        usd => grouped(usd, 2),
    }
}

/// Three digits, and the unit that fits: `950`, `1.2 M`, `45.6 G`.
pub(super) fn number(value: f64) -> String {
    if value > 0.0 && value < 0.000_5 {
        return "<0.001".to_owned();
    }
    let (scaled, unit) = match value.abs() {
        size if size >= 999.5e6 => (value / 1e9, " G"),
        size if size >= 999.5e3 => (value / 1e6, " M"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        size if size >= 99.95 || (scaled - scaled.round()).abs() < 1e-9 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    let text = grouped(scaled, digits);
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    text + unit
}

/// `42 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.95 { "<1 %".to_owned() } else { format!("{} %", grouped(percent, 0)) }
}

/// `0.2 s`, `45 s`, `12 min`, `3.5 h`.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 7_199.5 => format!("{:.1} h", seconds / 3_600.0),
        seconds if seconds >= 119.5 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds >= 9.95 => format!("{seconds:.0} s"),
        seconds => format!("{seconds:.1} s"),
    }
}

/// `0:00`, `12:30`, `1:05:00`: minutes and seconds from the start.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_as_many_digits_as_people_read() {
        let cents = [0.0, 0.001, 0.126, 1_234.5, 123_456.7].map(usd);
        assert_eq!(cents, ["-", "<0.01", "0.13", "1,234.50", "123,457"]);
        let numbers = [0.0, 0.000_1, 0.381, 5.0, 13.75, 950.4, 12_345.0, 1.2e6, 45.6e9, 999_999.0].map(number);
        assert_eq!(numbers, ["0", "<0.001", "0.381", "5", "13.8", "950", "12,345", "1.2 M", "45.6 G", "1 M"]);
        assert_eq!([0.0, 0.004, 0.5, 6.25].map(percent), ["0 %", "<1 %", "50 %", "625 %"]);
        assert_eq!([0.2, 45.0, 720.0, 12_600.0].map(time), ["0.2 s", "45 s", "12 min", "3.5 h"]);
        assert_eq!([0.0, 750.0, 3_900.0].map(clock), ["0:00", "12:30", "1:05:00"]);
    }
}
