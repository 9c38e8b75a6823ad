//! Dates and timestamps: numbers in memory, ISO 8601 text in filters and records.

use arrow_schema::{DataType, TimeUnit};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// What one of the numbers counts, from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Days,
    /// Parts of a second, so many of them; `is_utc`: the text says that the time is in UTC.
    Time {
        in_second: i64,
        is_utc: bool,
    },
}

/// The number of a column of dates or timestamps whose text this is.
pub(in crate::catalog) fn moment(kind: &DataType, text: &str) -> Option<i64> {
    Unit::of(kind)?.value(text)
}

const SECONDS_OF_DAY: i64 = 86_400;
const NANOSECONDS: i64 = 1_000_000_000;

impl Unit {
    /// What numbers of a column of this type count, if it is one of dates or timestamps.
    pub(super) fn of(kind: &DataType) -> Option<Self> {
        match kind {
            DataType::Date32 | DataType::Date64 => Some(Self::Days),
            DataType::Timestamp(unit, zone) => {
                let in_second = match unit {
                    TimeUnit::Second => 1,
                    TimeUnit::Millisecond => 1_000,
                    TimeUnit::Microsecond => 1_000_000,
                    TimeUnit::Nanosecond => 1_000_000_000,
                };
                Some(Self::Time { in_second, is_utc: zone.is_some() })
            }
            _ => None,
        }
    }

    /// The text of a number, if it is of the years 0 to 9999.
    pub(super) fn text(self, value: i64) -> Option<String> {
        let (days, seconds, nanoseconds) = match self {
            Self::Days => (value, 0, 0),
            Self::Time { in_second, .. } => {
                let seconds = value.div_euclid(in_second);
                let rest = value.rem_euclid(in_second) * (NANOSECONDS / in_second);
                (seconds.div_euclid(SECONDS_OF_DAY), seconds.rem_euclid(SECONDS_OF_DAY), rest)
            }
        };
        let day = i32::try_from(days).ok()?.checked_add(OffsetDateTime::UNIX_EPOCH.to_julian_day())?;
        let date = Date::from_julian_day(day).ok()?;
        if !(0..=9_999).contains(&date.year()) {
            return None;
        }
        let date = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
        let Self::Time { is_utc, .. } = self else { return Some(date) };
        let fraction = if nanoseconds > 0 { format!(".{nanoseconds:09}") } else { String::new() };
        let (fraction, zone) = (fraction.trim_end_matches('0'), if is_utc { "Z" } else { "" });
        Some(format!("{date}T{:02}:{:02}:{:02}{fraction}{zone}", seconds / 3_600, seconds / 60 % 60, seconds % 60))
    }

    /// The number whose text this is, letter by letter; `None`: no number has it.
    pub(super) fn value(self, text: &str) -> Option<i64> {
        let (date, rest) = text.split_at_checked(10)?;
        let part = |from: usize, to: usize| date.get(from..to)?.parse::<u16>().ok();
        let month = Month::try_from(u8::try_from(part(5, 7)?).ok()?).ok()?;
        let day = u8::try_from(part(8, 10)?).ok()?;
        let date = Date::from_calendar_date(i32::from(part(0, 4)?), month, day).ok()?;
        let value = match self {
            Self::Days => (date - OffsetDateTime::UNIX_EPOCH.date()).whole_days(),
            Self::Time { in_second, .. } => {
                let (clock, fraction) = rest.strip_prefix('T')?.split_at_checked(8)?;
                let part = |from: usize| clock.get(from..from + 2)?.parse::<u8>().ok();
                let time = Time::from_hms(part(0)?, part(3)?, part(6)?).ok()?;
                let fraction = fraction.trim_end_matches('Z').trim_start_matches('.');
                let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse::<i64>().ok()?;
                let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
                seconds.checked_mul(in_second)?.checked_add(nanoseconds / (NANOSECONDS / in_second))?
            }
        };
        // Whatever was read too generously is not its text.
        (self.text(value).as_deref() == Some(text)).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECONDS: Unit = Unit::Time { in_second: 1, is_utc: true };
    const MICROSECONDS: Unit = Unit::Time { in_second: 1_000_000, is_utc: false };

    #[test]
    fn texts_are_iso_8601() {
        assert_eq!(Unit::Days.text(0).unwrap(), "1970-01-01");
        assert_eq!(Unit::Days.text(20_785).unwrap(), "2026-11-28");
        assert_eq!(Unit::Days.text(-719_528).unwrap(), "0000-01-01");
        assert_eq!(Unit::Days.text(-719_529), None);
        assert_eq!(Unit::Days.text(2_932_897), None);
        assert_eq!(Unit::Days.text(i64::MAX), None);
        assert_eq!(SECONDS.text(-1).unwrap(), "1969-12-31T23:59:59Z");
        assert_eq!(MICROSECONDS.text(1_500_000).unwrap(), "1970-01-01T00:00:01.5");
        assert_eq!(MICROSECONDS.text(1).unwrap(), "1970-01-01T00:00:00.000001");
        assert_eq!(MICROSECONDS.text(i64::MIN), None);
    }

    #[test]
    fn other_spellings_are_no_number() {
        for text in ["", "2026", "2026-1-1", "2026-02-30", "+026-01-01", "2026-01-01T00:00:00Z", "2026-01-01é"] {
            assert_eq!(Unit::Days.value(text), None, "{text}");
        }
        for text in ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T24:00:00Z"] {
            assert_eq!(SECONDS.value(text), None, "{text}");
        }
        for text in ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.50", "2026-01-01T00:00:00.0000001"] {
            assert_eq!(MICROSECONDS.value(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_found_by_its_text(value in any::<i64>(), small in -100_000_000_000_i64..200_000_000_000) {
            for unit in [Unit::Days, SECONDS, MICROSECONDS, Unit::Time { in_second: NANOSECONDS, is_utc: true }] {
                for value in [value, small, small / 86_400] {
                    if let Some(text) = unit.text(value) {
                        prop_assert_eq!(unit.value(&text), Some(value), "{}", text);
                    }
                }
            }
        }
    }
}
