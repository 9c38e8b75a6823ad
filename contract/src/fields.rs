//! The fields of a job, one reader each: the rule, and the sentence for breaking it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{ErrorCode, JobError, clip};
use crate::filter::Filter;
use crate::job::{GroupBy, Target};
use crate::limits::{METADATA_MAX_BYTES, QUERY_MAX_CHARS, RETURN_MAX, TOP_K_MAX};
use crate::shown::{kind, quote};

const NAMES: [&str; 14] = [
    "request_id",
    "query",
    "vector",
    "product_id",
    "top_k",
    "categories",
    "group_by",
    "min_score",
    "exclude",
    "filter",
    "return",
    "metadata",
    "not_after",
    "version",
];

/// A JSON object that is to be a job.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// The text of the object: numbers are read from it, so that they round once.
    body: &'a str,
}

/// The fields whose numbers become f32, as text.
#[derive(Deserialize)]
struct Decimals<'a> {
    #[serde(borrow)]
    vector: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    min_score: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(object: &'a Map<String, Value>, body: &'a str) -> Self {
        Self { object, body }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn check_names(&self) -> Result<(), JobError> {
        let Some(unknown) = self.object.keys().find(|key| !NAMES.contains(&key.as_str())) else { return Ok(()) };
        let unknown = clip(unknown); // comparing takes the product of both lengths
        let spelling = unknown.to_lowercase();
        let likeness = |name: &&&str| (strsim::jaro_winkler(&spelling, name) * 1e6) as u64;
        let nearest = NAMES.iter().max_by_key(likeness).expect("NAMES is not empty");
        let message = format!("unknown field `{unknown}`, did you mean `{nearest}`?");
        Err(JobError::new(ErrorCode::UnknownField, message))
    }

    pub(crate) fn version(&self) -> Result<u64, JobError> {
        let Some(value) = self.get("version") else { return Ok(1) };
        whole(value)
            .filter(|&version| version >= 1)
            .ok_or_else(|| out_of_range(format!("version must be a whole number from 1, was {}", quote(value))))
    }

    pub(crate) fn target(&self) -> Result<Target, JobError> {
        let given: Vec<&str> =
            ["query", "vector", "product_id"].into_iter().filter(|name| self.get(name).is_some()).collect();
        match given[..] {
            [] => Err(JobError::new(ErrorCode::MissingField, "one of query, vector and product_id is required")),
            ["query"] => self.query().map(Target::Query),
            ["vector"] => self.vector().map(Target::Vector),
            ["product_id"] => match self.string("product_id")? {
                "" => Err(out_of_range("product_id must not be empty")),
                id => Ok(Target::ProductId(id.to_owned())),
            },
            _ => {
                let given = given.join(" and ");
                let message = format!("only one of query, vector and product_id may be given, got {given}");
                Err(JobError::new(ErrorCode::ConflictingFields, message))
            }
        }
    }

    fn query(&self) -> Result<String, JobError> {
        let query = self.string("query")?;
        let allowed = format!("query must be 1 to {QUERY_MAX_CHARS} characters");
        match query.chars().count() {
            0 => Err(out_of_range(format!("{allowed}, was empty"))),
            count if count > QUERY_MAX_CHARS => Err(out_of_range(format!("{allowed}, was {count}"))),
            // No embedding model answers a blank text: it would be retried until it is dead-lettered.
            _ if query.trim().is_empty() => Err(out_of_range("query must hold more than white space")),
            _ => Ok(query.to_owned()),
        }
    }

    fn vector(&self) -> Result<Vec<f32>, JobError> {
        let invalid = |message: String| JobError::new(ErrorCode::InvalidVector, message);
        let value = self.get("vector").unwrap_or(&Value::Null);
        let Value::Array(items) = value else {
            return Err(invalid(format!("vector must be an array of numbers, was {}", kind(value))));
        };
        if items.is_empty() {
            return Err(invalid("vector must not be empty".into()));
        }
        let not_a_float =
            |index: usize, was: &str| invalid(format!("vector[{index}] must be a 32-bit float, was {was}"));
        if let Some(index) = items.iter().position(|item| !item.is_number()) {
            return Err(not_a_float(index, kind(&items[index])));
        }
        let decimals = self.decimals()?.vector.unwrap_or_default();
        let mut vector = Vec::with_capacity(decimals.len());
        for (index, decimal) in decimals.iter().enumerate() {
            match decimal.get().parse::<f32>() {
                Ok(number) if number.is_finite() => vector.push(number),
                _ => return Err(not_a_float(index, &clip(decimal.get()))),
            }
        }
        if vector.iter().all(|&number| number == 0.0) {
            return Err(invalid("vector must not be all zero".into()));
        }
        Ok(vector)
    }

    fn decimals(&self) -> Result<Decimals<'a>, JobError> {
        serde_json::from_str(self.body).map_err(|error| JobError::new(ErrorCode::InvalidJson, error.to_string()))
    }

    pub(crate) fn top_k(&self) -> Result<Option<u16>, JobError> {
        let Some(value) = self.get("top_k") else { return Ok(None) };
        whole(value)
            .filter(|top_k| (1..=TOP_K_MAX).contains(top_k))
            .and_then(|top_k| u16::try_from(top_k).ok())
            .map(Some)
            .ok_or_else(|| out_of_range(format!("top_k must be 1 to {TOP_K_MAX}, was {}", quote(value))))
    }

    pub(crate) fn categories(&self) -> Result<Option<Vec<String>>, JobError> {
        let Some(names) = self.strings("categories")? else { return Ok(None) };
        if names.is_empty() {
            let message = "categories must name at least one category (leave it out for all of them)";
            return Err(out_of_range(message));
        }
        let mut distinct: Vec<String> = Vec::with_capacity(names.len());
        let mut seen = std::collections::HashSet::with_capacity(names.len());
        distinct.extend(names.into_iter().filter(|name| seen.insert(*name)).map(str::to_owned));
        Ok(Some(distinct))
    }

    pub(crate) fn group_by(&self) -> Result<Option<GroupBy>, JobError> {
        match self.get("group_by") {
            None => Ok(None),
            Some(Value::String(name)) if name == "category" => Ok(Some(GroupBy::Category)),
            Some(Value::String(name)) if name == "none" => Ok(Some(GroupBy::None)),
            Some(value) => {
                Err(out_of_range(format!("group_by must be \"category\" or \"none\", was {}", quote(value))))
            }
        }
    }

    /// `None` also for -1, which every score reaches.
    pub(crate) fn min_score(&self) -> Result<Option<f32>, JobError> {
        let Some(value) = self.get("min_score") else { return Ok(None) };
        let in_range = value.as_f64().is_some_and(|score| (-1.0..=1.0).contains(&score));
        let rounded = self.decimals()?.min_score.and_then(|decimal| decimal.get().parse::<f32>().ok());
        match rounded {
            Some(score) if in_range => Ok(Some(score).filter(|&score| score > -1.0)),
            _ => Err(out_of_range(format!("min_score must be -1 to 1, was {}", quote(value)))),
        }
    }

    pub(crate) fn exclude(&self) -> Result<Option<Vec<String>>, JobError> {
        Ok(self.strings("exclude")?.map(|ids| ids.into_iter().map(str::to_owned).collect()))
    }

    pub(crate) fn filter(&self) -> Result<Option<Filter>, JobError> {
        let filter = self.get("filter").map(Filter::parse).transpose()?;
        // `{}` asks for nothing.
        Ok(filter.filter(|filter| !matches!(filter, Filter::All(all) if all.is_empty())))
    }

    /// Distinct names, in order of first mention.
    pub(crate) fn return_columns(&self) -> Result<Vec<String>, JobError> {
        let names = self.strings("return")?.unwrap_or_default();
        let mut distinct: Vec<String> = Vec::new();
        for name in names {
            if !distinct.iter().any(|known| known == name) {
                if distinct.len() == RETURN_MAX {
                    return Err(out_of_range(format!("return may name at most {RETURN_MAX} columns, got more")));
                }
                distinct.push(name.to_owned());
            }
        }
        Ok(distinct)
    }

    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>, JobError> {
        let Some(value) = self.get("metadata") else { return Ok(BTreeMap::new()) };
        let not_strings = |was: String| out_of_range(format!("metadata must be an object of strings, {was}"));
        let Value::Object(entries) = value else { return Err(not_strings(format!("was {}", kind(value)))) };
        let (mut texts, mut bytes) = (Vec::new(), 0);
        for (key, value) in entries {
            let Value::String(text) = value else {
                return Err(not_strings(format!("`{}` was {}", clip(key), kind(value))));
            };
            if key.is_empty() {
                // DynamoDB refuses an empty name in a map, and with it the whole record.
                return Err(out_of_range("metadata must not have an empty key"));
            }
            bytes += key.len() + text.len();
            texts.push((key, text));
        }
        // Copied only now: a megabyte of them is refused twice, once for the record and once for the job.
        if bytes > METADATA_MAX_BYTES {
            let allowed = format!("at most {METADATA_MAX_BYTES} bytes of keys and values");
            return Err(out_of_range(format!("metadata must be {allowed}, was {bytes}")));
        }
        Ok(texts.into_iter().map(|(key, text)| (key.clone(), text.clone())).collect())
    }

    pub(crate) fn not_after(&self) -> Result<Option<OffsetDateTime>, JobError> {
        let Some(value) = self.get("not_after") else { return Ok(None) };
        let time = value.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        time.map(Some).ok_or_else(|| {
            let allowed = "an RFC 3339 time such as 2026-11-23T12:00:00Z";
            out_of_range(format!("not_after must be {allowed}, was {}", quote(value)))
        })
    }

    fn string(&self, name: &str) -> Result<&'a str, JobError> {
        let value = self.get(name).unwrap_or(&Value::Null);
        value.as_str().ok_or_else(|| out_of_range(format!("{name} must be a string, was {}", kind(value))))
    }

    fn strings(&self, name: &str) -> Result<Option<Vec<&'a str>>, JobError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let not_strings = |was: String| out_of_range(format!("{name} must be an array of strings, {was}"));
        let Value::Array(items) = value else { return Err(not_strings(format!("was {}", kind(value)))) };
        let string = |(index, item): (usize, &'a Value)| {
            item.as_str().ok_or_else(|| not_strings(format!("element {index} was {}", kind(item))))
        };
        items.iter().enumerate().map(string).collect::<Result<_, _>>().map(Some)
    }
}

fn out_of_range(message: impl Into<String>) -> JobError {
    JobError::new(ErrorCode::OutOfRange, message)
}

/// A whole number, also when written as 5.0 or 5e0: JSON knows only numbers, and their hash is the same.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && (0.0..9e15).contains(f)).map(|f| f as u64))
}
