//! The grammar of rates over time, the same for loadgen's runs and for simulations.

use std::time::Duration;

/// A length of time with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// How long it is.
    pub duration: Duration,
    /// Jobs a second at the start.
    pub from: f64,
    /// Jobs a second at the end; in between it changes evenly.
    pub to: f64,
}

/// Why a text is no list of stages. The message says what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StagesError(String);

/// `2m:100,5m:100..500,1m:0` holds 100 jobs a second, rises evenly to 500, and pauses. Rates are at most `rate_max`.
///
/// # Errors
/// What is wrong with it.
pub fn stages(text: &str, rate_max: f64) -> Result<Vec<Stage>, StagesError> {
    let stages: Vec<Stage> =
        text.split(',').map(|part| stage(part.trim(), rate_max)).collect::<Result<_, _>>().map_err(StagesError)?;
    if stages.iter().all(|stage| stage.from + stage.to == 0.0) {
        return Err(StagesError("at least one stage must have a rate above 0".to_owned()));
    }
    Ok(stages)
}

fn stage(text: &str, rate_max: f64) -> Result<Stage, String> {
    let (length, rates) =
        text.split_once(':').ok_or_else(|| format!("`{text}` must be DURATION:RATE or DURATION:FROM..TO"))?;
    let duration = length_of(length)?;
    let (from, to) = match rates.split_once("..") {
        Some((from, to)) => (rate(from, rate_max)?, rate(to, rate_max)?),
        None => (rate(rates, rate_max)?, rate(rates, rate_max)?),
    };
    Ok(Stage { duration, from, to })
}

/// `double-every=D:R1..R2`: R1 for D, then twice as much, and so on up to R2.
///
/// # Errors
/// What is wrong with it.
pub fn doubling(text: &str, rate_max: f64) -> Result<Vec<Stage>, StagesError> {
    let shape = || "must be double-every=DURATION:FROM..TO, such as double-every=5m:100..1600".to_owned();
    let read = || {
        let (length, rates) =
            text.strip_prefix("double-every=").and_then(|rest| rest.split_once(':')).ok_or_else(shape)?;
        let (from, to) = rates.split_once("..").ok_or_else(shape)?;
        let duration = length_of(length)?;
        let (from, to) = (rate(from, rate_max)?, rate(to, rate_max)?);
        if from <= 0.0 || to < from {
            return Err(format!("the first rate ({from}) must be above 0, and the last ({to}) not below it"));
        }
        let steps = std::iter::successors(Some(from), |rps| (*rps < to).then(|| (rps * 2.0).min(to)));
        Ok(steps.map(|rps| Stage { duration, from: rps, to: rps }).collect())
    };
    read().map_err(StagesError)
}

fn length_of(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(format!("`{text}`: must be longer than 0s")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("`{text}`: {error}")),
    }
}

fn rate(text: &str, rate_max: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rps) if (0.0..=rate_max).contains(&rps) => Ok(rps),
        _ => Err(format!("`{text}` is not a rate: must be a number from 0 to {rate_max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn stages_hold_or_change_a_rate() {
        let read = stages("2m:100, 1.5m:100..500,1m:0", 1e5).unwrap();
        let hold = |rate, duration| Stage { duration, from: rate, to: rate };
        let ramp = Stage { duration: Duration::from_secs(90), from: 100.0, to: 500.0 };
        assert_eq!(read, [hold(100.0, 2 * MINUTE), ramp, hold(0.0, MINUTE)]);
        for (text, reason) in [
            ("2m", "`2m` must be DURATION:RATE"),
            ("2m:x", "`x` is not a rate"),
            ("0s:5", "`0s`: must be longer than 0s"),
            ("2m:-5", "`-5` is not a rate"),
            ("2m:200000", "must be a number from 0 to 100000"),
            ("2m:0,1m:0", "at least one stage"),
            ("", "must be DURATION:RATE"),
        ] {
            let error = stages(text, 1e5).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn doubling_ends_at_its_last_rate() {
        let rates = |text| doubling(text, 1e5).unwrap().iter().map(|stage| stage.from as u32).collect::<Vec<_>>();
        assert_eq!(rates("double-every=5m:100..1600"), [100, 200, 400, 800, 1_600]);
        assert_eq!(rates("double-every=5m:100..500"), [100, 200, 400, 500]);
        assert_eq!(rates("double-every=5m:100..100"), [100]);
        for text in ["double-every=5m:100", "triple-every=5m:1..9", "double-every=5m:0..9", "double-every=5m:9..1"] {
            assert!(doubling(text, 1e5).is_err(), "{text}");
        }
    }
}
