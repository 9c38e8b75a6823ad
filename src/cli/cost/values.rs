//! Values of the options: how each is written, and what is said about a wrong one.

use std::time::Duration;

use nearline_cost::{Stage, StagesError, doubling, stages};

/// Highest rate that can be asked for, jobs a second.
const RATE_MAX: f64 = 1e7;

/// Rates over time.
#[derive(Debug, Clone)]
pub(super) struct Profile(pub(super) Vec<Stage>);

/// Provisioned pollers: fewest, and most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pollers(pub(super) f64, pub(super) f64);

/// `1000000`, `1.5M`, `2G`, `10k`.
pub(super) fn count(text: &str) -> Result<f64, String> {
    let (digits, times) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
        Some(b'M') => (&text[..text.len() - 1], 1e6),
        Some(b'G') => (&text[..text.len() - 1], 1e9),
        _ => (text, 1.0),
    };
    match digits.replace('_', "").parse::<f64>() {
        Ok(count) if (0.0..=1e15).contains(&(count * times)) && count > 0.0 => Ok(count * times),
        _ => Err("must be a number above 0, such as 1000000, 1.5M or 2G".to_owned()),
    }
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    count(text).ok().filter(|rate| *rate <= RATE_MAX).ok_or(format!("must be a number above 0 and at most {RATE_MAX}"))
}

/// `200ms`, `840us`, `7d`.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text).ok().filter(|length| !length.is_zero());
    length.ok_or("must be longer than 0s, such as 200ms, 840us or 7d".to_owned())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    positive_or_none(text).ok().filter(|value| *value > 0.0).ok_or("must be a number above 0".to_owned())
}

pub(super) fn positive_or_none(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (0.0..=1e9).contains(value));
    value.ok_or("must be a number from 0".to_owned())
}

pub(super) fn factor(text: &str) -> Result<f64, String> {
    positive(text).ok().filter(|value| *value >= 1.0).ok_or("must be a number from 1".to_owned())
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    let share = percent.filter(|percent| (0.0..=100.0).contains(percent)).map(|percent| percent / 100.0);
    share.ok_or("must be a percentage from 0% to 100%".to_owned())
}

pub(super) fn utilisation(text: &str) -> Result<f64, String> {
    share(text)
        .ok()
        .filter(|share| (0.1..=0.9).contains(share))
        .ok_or("must be a percentage from 10% to 90%".to_owned())
}

pub(super) fn ratio(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|ratio| [2, 4, 8].contains(ratio)).ok_or("must be 2, 4 or 8".to_owned())
}

pub(super) fn pollers(text: &str) -> Result<Pollers, String> {
    let number = |text: &str| text.parse::<u32>().ok();
    let range = text.split_once("..").and_then(|(fewest, most)| number(fewest).zip(number(most)));
    match range {
        Some((fewest, most)) if (2..=200).contains(&fewest) && (fewest..=10_000).contains(&most) => {
            Ok(Pollers(f64::from(fewest), f64::from(most)))
        }
        _ => Err("must be MIN..MAX, MIN from 2 to 200 and MAX from MIN to 10000, such as 2..100".to_owned()),
    }
}

pub(super) fn profile(text: &str) -> Result<Profile, StagesError> {
    let read = if text.starts_with("double-every=") { doubling } else { stages };
    read(text, RATE_MAX).map(Profile)
}
