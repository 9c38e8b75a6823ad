//! The filters of `--filter-file`: which there are, and which of them a job gets.

use nearline_contract::lines::{NotJobs, jobs};
use nearline_contract::text::forbidden;
use nearline_contract::{Filter, hash};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::source::JobsError;

/// Largest weight: sums of weights stay far from where floats end.
const WEIGHT_MAX: f64 = 1e6;

/// Filters, each with a weight.
#[derive(Debug, Clone)]
pub(crate) struct Filters {
    /// Each as it stood, `None` for no filter, after the sum of the weights up to and including it.
    weighted: Vec<(f64, Option<String>)>,
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(default = "default_weight")]
    weight: f64,
    #[serde(borrow, default)]
    filter: Option<&'a RawValue>,
}

fn default_weight() -> f64 {
    1.0
}

impl Filters {
    /// One object a line, or an array of them: `{"weight": 3, "filter": {...}}`.
    pub(crate) fn from_lines(file: impl AsRef<[u8]>) -> Result<Self, JobsError> {
        let lines = jobs(file.as_ref()).map_err(|error| match error {
            NotJobs::Empty => JobsError::NoFilters,
            other => JobsError::File(other),
        })?;
        let (mut weighted, mut sum) = (Vec::with_capacity(lines.len()), 0.0);
        for line in lines {
            let (weight, filter) = read(line.body).map_err(|reason| JobsError::Line { place: line.place, reason })?;
            sum += weight;
            weighted.push((sum, filter));
        }
        Ok(Self { weighted })
    }

    /// The length of the longest one, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.weighted.iter().filter_map(|(_, filter)| filter.as_ref().map(String::len)).max().unwrap_or(0)
    }

    /// The filter that the next random number stands for.
    pub(super) fn choose(&self, random: &mut StdRng) -> Option<&str> {
        let sum = self.weighted.last().map_or(0.0, |(sum, _)| *sum);
        let drawn = random.random::<f64>() * sum;
        let index = self.weighted.partition_point(|(upto, _)| *upto <= drawn);
        // A product of floats can round up to the whole sum.
        self.weighted.get(index.min(self.weighted.len().saturating_sub(1)))?.1.as_deref()
    }
}

/// The weight and the filter of a line, or what is wrong with it.
fn read(line: &str) -> Result<(f64, Option<String>), String> {
    hash::parse_unique(line).map_err(|error| error.to_string())?;
    let Line { weight, filter } = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if !(weight > 0.0 && weight <= WEIGHT_MAX) {
        return Err(format!("weight must be a number above 0 and at most {WEIGHT_MAX}, was {weight}"));
    }
    let Some(filter) = filter.map(RawValue::get) else { return Ok((weight, None)) };
    let value = serde_json::from_str(filter).map_err(|error| error.to_string())?;
    Filter::parse(&value).map_err(|error| error.message)?;
    match forbidden(filter) {
        Some(character) => Err(format!("contains the character {character}, which SQS rejects: write it as an escape")),
        None => Ok((weight, Some(filter.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn filters_come_as_often_as_their_weights_say() {
        let file = "{\"weight\":3,\"filter\":{\"brand\":\"a\"}}\n\n{\"filter\":null}\n{\"weight\":0.5,\"filter\":{\"price\":{\"$lt\":5.10}}}\n{}";
        let (filters, mut random) = (Filters::from_lines(file).unwrap(), StdRng::seed_from_u64(1));
        let mut counts = [0_u32; 3];
        for _ in 0..55_000 {
            match filters.choose(&mut random) {
                Some(r#"{"brand":"a"}"#) => counts[0] += 1,
                Some(r#"{"price":{"$lt":5.10}}"#) => counts[1] += 1,
                Some(other) => panic!("{other}"),
                None => counts[2] += 1,
            }
        }
        for (count, expected) in counts.into_iter().zip([30_000, 5_000, 20_000]) {
            assert!(count.abs_diff(expected) < 600, "{counts:?}");
        }
        assert_eq!(filters.longest(), 22);
    }

    #[test]
    fn a_line_that_is_no_filter_is_named_with_the_path() {
        for (line, reason) in [
            (
                r#"{"filter":{"$or":[{"a":1},{"price":{"$lt":"50"}}]}}"#,
                r#"filter.$or[1].price.$lt: must be a number, was "50""#,
            ),
            (r#"{"filter":[]}"#, "filter: must be an object"),
            (r#"{"filter":{"a":1},"weigth":2}"#, "unknown field `weigth`"),
            (r#"{"filter":{"a":1,"a":2}}"#, "appears twice"),
            (r#"{"weight":0}"#, "weight must be a number above 0"),
            (r#"{"weight":-1}"#, "weight must be a number above 0"),
            (r#"{"weight":"3"}"#, "invalid type"),
            ("{\"filter\":{\"a\":\"\u{ffff}\"}}", "U+FFFF, which SQS rejects"),
        ] {
            let error = Filters::from_lines(format!("{{}}\n{line}")).unwrap_err().to_string();
            assert!(error.starts_with("line 2: ") && error.contains(reason), "{error}");
        }
        assert_eq!(Filters::from_lines("\n").unwrap_err(), JobsError::NoFilters);
        let table = Filters::from_lines("weight,filter\n").unwrap_err().to_string();
        assert!(table.contains("looks like a table"), "{table}");
    }
}
