//! Values of the command line: how each is written, and what is said about a wrong one.
//!
//! Durations and percentages take decimals everywhere.

use std::ops::RangeInclusive;
use std::time::Duration;

use nearline_cost::StagesError;

use crate::jobs::MESSAGE_MAX_BYTES;
use crate::schedule::{RPS_MAX, STAGES_MAX, Stage};

/// Stages in the order of `--stages` or `--profile`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stages(pub Vec<Stage>);

/// A part of a whole, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub(crate) struct Share(pub f64);

/// The name or URL of something outside. Blanks and line ends around it are none of it.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let name = optional_name(text)?;
    if name.is_empty() { Err("must not be empty".into()) } else { Ok(name) }
}

/// The same, or nothing. A file that no shell reads keeps the quotes around a value.
pub(crate) fn optional_name(text: &str) -> Result<String, String> {
    const QUOTES: [char; 3] = ['"', '\'', '`'];
    let name = text.trim();
    if name.starts_with(QUOTES) || name.ends_with(QUOTES) {
        return Err("has quotes around it: remove them".into());
    }
    Ok(name.to_owned())
}

/// A rate above 0.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rps) if rps > 0.0 && rps <= RPS_MAX => Ok(rps),
        _ => Err(format!("must be a number above 0 and at most {RPS_MAX}")),
    }
}

/// A length of time: `30s`, `2.5m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// A length of time above 0.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than 0s".to_owned()),
        other => other,
    }
}

/// `5%`, `0.1%`.
pub(crate) fn share(text: &str) -> Result<Share, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Share(percent / 100.0)),
        _ => Err("must be a percentage from 0% to 100%, such as 0.5%".to_owned()),
    }
}

/// `D:R` holds a rate, `D:R1..R2` changes it evenly.
pub(crate) fn stages(text: &str) -> Result<Stages, String> {
    checked(nearline_cost::stages(text, RPS_MAX))
}

/// `double-every=D:R1..R2`: R1 for D, then twice as much, and so on up to R2.
pub(crate) fn profile(text: &str) -> Result<Stages, String> {
    checked(nearline_cost::doubling(text, RPS_MAX))
}

fn checked(stages: Result<Vec<nearline_cost::Stage>, StagesError>) -> Result<Stages, String> {
    let stages = stages.map_err(|error| error.to_string())?;
    if stages.len() > STAGES_MAX {
        return Err(format!("{} stages are too many, at most {STAGES_MAX}", stages.len()));
    }
    Ok(Stages(stages.into_iter().map(Stage::from).collect()))
}

/// The share of jobs whose records are read: `all`, `none` or `sample=10%`.
pub(crate) fn verify(text: &str) -> Result<Share, String> {
    match (text, text.strip_prefix("sample=")) {
        ("all", _) => Ok(Share(1.0)),
        ("none", _) => Ok(Share(0.0)),
        (_, Some(part)) => share(part),
        _ => Err("must be all, none or sample=PERCENT, such as sample=10%".to_owned()),
    }
}

/// `2000` or `500..4000`: bytes of a message.
pub(crate) fn payload_bytes(text: &str) -> Result<RangeInclusive<usize>, String> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|bytes| (1..=MESSAGE_MAX_BYTES).contains(bytes));
    let range = match text.split_once("..") {
        Some((from, to)) => number(from).zip(number(to)),
        None => number(text).map(|bytes| (bytes, bytes)),
    };
    match range {
        Some((from, to)) if from <= to => Ok(from..=to),
        _ => Err(format!("must be BYTES or FROM..TO, each from 1 to {MESSAGE_MAX_BYTES}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn blanks_around_a_name_are_none_of_it_and_quotes_are_told() {
        assert_eq!(name(" http://q\r\n").unwrap(), "http://q");
        assert_eq!(optional_name(" ").unwrap(), "");
        assert!(name(" ").is_err());
        for quoted in ["\"http://q\"", "'http://q'", "http://q\""] {
            assert!(name(quoted).unwrap_err().contains("quotes"), "{quoted}");
        }
    }

    #[test]
    fn durations_take_units_and_decimals() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2.5m", 150_000),
            ("0.25s", 250),
            ("1h30m", 5_400_000),
        ] {
            assert_eq!(positive_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert!(positive_duration("0s").is_err() && duration("30").is_err() && duration("soon").is_err());
    }

    #[test]
    fn percentages_take_decimals_and_need_their_sign() {
        assert_eq!(share("0.1%"), Ok(Share(0.001)));
        assert_eq!(share("5 %"), Ok(Share(0.05)));
        for text in ["5", "101%", "-1%", "%", "NaN%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stages_hold_or_change_a_rate() {
        let read = stages("2m:100, 1.5m:100..500,1m:0").unwrap().0;
        let ramp = Stage { duration: Duration::from_secs(90), from: 100.0, to: 500.0 };
        assert_eq!(read, [Stage::constant(100.0, 2 * MINUTE), ramp, Stage::constant(0.0, MINUTE)]);
        for (text, reason) in [
            ("2m", "`2m` must be DURATION:RATE"),
            ("2m:x", "`x` is not a rate"),
            ("0s:5", "`0s`: must be longer than 0s"),
            ("2m:-5", "`-5` is not a rate"),
            ("2m:0,1m:0", "at least one stage"),
            ("", "must be DURATION:RATE"),
        ] {
            let error = stages(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(stages(&vec!["1s:1"; STAGES_MAX + 1].join(",")).unwrap_err().contains("too many"));
    }

    #[test]
    fn a_profile_doubles_up_to_its_last_rate() {
        let rates = |text| profile(text).unwrap().0.iter().map(|stage| stage.from as u32).collect::<Vec<_>>();
        assert_eq!(rates("double-every=5m:100..1600"), [100, 200, 400, 800, 1_600]);
        assert_eq!(rates("double-every=5m:100..500"), [100, 200, 400, 500]);
        assert_eq!(rates("double-every=5m:100..100"), [100]);
        for text in ["double-every=5m:100", "triple-every=5m:1..9", "double-every=5m:0..9", "double-every=5m:9..1"] {
            assert!(profile(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_verified_is_all_a_sample_or_nothing() {
        assert_eq!(verify("all"), Ok(Share(1.0)));
        assert_eq!(verify("sample=2.5%"), Ok(Share(0.025)));
        assert_eq!(verify("none"), Ok(Share(0.0)));
        assert!(verify("some").is_err() && verify("sample=10").is_err());
    }

    #[test]
    fn payloads_are_a_size_or_a_range() {
        assert_eq!(payload_bytes("2000"), Ok(2_000..=2_000));
        assert_eq!(payload_bytes("500..4000"), Ok(500..=4_000));
        assert!(
            payload_bytes("4000..500").is_err() && payload_bytes("2000000").is_err() && payload_bytes("0").is_err()
        );
    }
}
