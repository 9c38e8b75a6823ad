//! The filter of a job: which products may match, by their attributes.
//!
//! Read once, with every rule checked that needs no catalog. The language is that of S3 Vectors; what its documentation
//! leaves open is decided as MongoDB does. Whether a value fits its attribute, the catalog knows.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Number, Value};

use crate::error::{ErrorCode, JobError, clip};
use crate::limits::{FILTER_CONDITIONS_MAX, FILTER_DEPTH_MAX};
use crate::shown::{kind, quote};

/// Which products may match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Those that pass each of these; never empty, but for a filter that is `{}`: all pass.
    All(Vec<Filter>),
    /// Those that pass one of these; never empty.
    Any(Vec<Filter>),
    /// Those whose attribute passes.
    Condition(Condition),
}

/// What one attribute of a product has to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The attribute's name.
    pub attribute: String,
    /// What it has to be.
    pub test: Test,
    /// Where this stands, for messages: `filter.$or[1].price.$lt`.
    pub path: String,
}

/// What the value of an attribute is tested for. An attribute that is a list passes what one of its elements passes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is one of these; never empty. `$eq` has one.
    OneOf(Vec<Scalar>),
    /// [`OneOf`](Self::OneOf) does not pass: so does an attribute that is absent. `$ne` has one.
    NoneOf(Vec<Scalar>),
    /// A number that is less, and so on, than this one.
    Compare(Comparison, Number),
    /// It is there, or is not.
    Exists(bool),
}

/// How a number compares with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `$lt`
    Less,
    /// `$lte`
    AtMost,
    /// `$gte`
    AtLeast,
    /// `$gt`
    Greater,
}

/// A value to compare with. Whole numbers of up to 64 bits are exact, others are 64-bit floats.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scalar {
    Text(String),
    Number(Number),
    Boolean(bool),
}

impl Scalar {
    fn new(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::Bool(value) => Some(Self::Boolean(*value)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The operators of an attribute.
const OPERATORS: [&str; 9] = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists"];
/// What combines filters.
const COMBINING: [&str; 2] = ["$and", "$or"];
/// Operators of other systems: none of ours is meant.
const ELSEWHERE: [&str; 9] = ["$not", "$nor", "$all", "$size", "$type", "$regex", "$like", "$contains", "$elemMatch"];
/// A value that an attribute can be compared with.
const SCALAR: &str = "a string, a number or a boolean";

impl Filter {
    /// Reads the value of the field `filter`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidFilter`], naming the path.
    pub fn parse(value: &Value) -> Result<Self, JobError> {
        let mut reader = Reader { path: "filter".to_owned(), conditions: 0, depth: 0 };
        match value {
            Value::Object(object) if object.is_empty() => Ok(Self::All(Vec::new())),
            value => reader.filter(value),
        }
    }

    /// Calls `each` with each condition.
    pub fn each_condition<'a>(&'a self, each: &mut impl FnMut(&'a Condition)) {
        match self {
            Self::All(filters) | Self::Any(filters) => filters.iter().for_each(|filter| filter.each_condition(each)),
            Self::Condition(condition) => each(condition),
        }
    }
}

/// An error at a place of the filter.
pub fn invalid_filter(path: &str, what: impl std::fmt::Display) -> JobError {
    JobError::new(ErrorCode::InvalidFilter, format!("{}: {what}", clip_path(path)))
}

/// A path keeps its end, which says most.
fn clip_path(path: &str) -> Cow<'_, str> {
    const PATH_MAX_CHARS: usize = 256;
    match path.char_indices().rev().nth(PATH_MAX_CHARS) {
        Some((start, _)) => format!("...{}", &path[start..]).into(),
        None => path.into(),
    }
}

struct Reader {
    path: String,
    conditions: usize,
    depth: usize,
}

impl Reader {
    fn fail<T>(&self, what: impl std::fmt::Display) -> Result<T, JobError> {
        Err(invalid_filter(&self.path, what))
    }

    /// Reads one level further in.
    fn at<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> Result<T, JobError>) -> Result<T, JobError> {
        let length = self.path.len();
        self.path.push_str(step);
        let read = read(self)?;
        self.path.truncate(length);
        Ok(read)
    }

    fn filter(&mut self, value: &Value) -> Result<Filter, JobError> {
        let Value::Object(object) = value else {
            return self.fail(format_args!("must be an object, was {}", kind(value)));
        };
        if object.is_empty() {
            return self.fail("must not be empty");
        }
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return self.fail(format_args!("is nested more than {FILTER_DEPTH_MAX} levels deep"));
        }
        let mut filters = Vec::with_capacity(object.len());
        for (key, value) in object {
            let step = format!(".{}", clip(key));
            self.at(&step, |reader| match key.as_str() {
                "$and" => reader.filters(value).map(|all| filters.push(Filter::All(all))),
                "$or" => reader.filters(value).map(|any| filters.push(Filter::Any(any))),
                key if key.starts_with('$') => reader.fail(no_operator(key, true)),
                name => reader.attribute(name, value, &mut filters),
            })?;
        }
        self.depth -= 1;
        Ok(one_or(filters, Filter::All))
    }

    fn filters(&mut self, value: &Value) -> Result<Vec<Filter>, JobError> {
        match value {
            Value::Array(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                items.map(|(number, item)| self.at(&format!("[{number}]"), |reader| reader.filter(item))).collect()
            }
            Value::Array(_) => self.fail("must not be empty"),
            other => self.fail(format_args!("must be an array of filters, was {}", kind(other))),
        }
    }

    /// What is asked of one attribute.
    fn attribute(&mut self, name: &str, value: &Value, filters: &mut Vec<Filter>) -> Result<(), JobError> {
        match value {
            Value::Object(object) if object.is_empty() => {
                self.fail("must not be empty; {\"$exists\": true} asks for products that have it")
            }
            Value::Object(operators) => self.operators(name, operators, filters),
            Value::Null => self.fail("must not be null; {\"$exists\": false} asks for products without it"),
            Value::Array(_) => self.fail("must not be an array; {\"$in\": [...]} asks for one of several values"),
            value => match Scalar::new(value) {
                Some(scalar) => self.condition(name, Test::OneOf(vec![scalar]), filters),
                None => self.fail(format_args!("must be {SCALAR}")),
            },
        }
    }

    fn operators(
        &mut self,
        name: &str,
        operators: &Map<String, Value>,
        filters: &mut Vec<Filter>,
    ) -> Result<(), JobError> {
        for (operator, value) in operators {
            self.at(&format!(".{}", clip(operator)), |reader| {
                let test = reader.test(operator, value)?;
                reader.condition(name, test, filters)
            })?;
        }
        Ok(())
    }

    fn test(&mut self, operator: &str, value: &Value) -> Result<Test, JobError> {
        let comparison = match operator {
            "$eq" => return Ok(Test::OneOf(vec![self.scalar(value)?])),
            "$ne" => return Ok(Test::NoneOf(vec![self.scalar(value)?])),
            "$in" => return self.scalars(value).map(Test::OneOf),
            "$nin" => return self.scalars(value).map(Test::NoneOf),
            "$exists" => {
                return match value {
                    Value::Bool(exists) => Ok(Test::Exists(*exists)),
                    other => self.fail(format_args!("must be true or false, was {}", quote(other))),
                };
            }
            "$lt" => Comparison::Less,
            "$lte" => Comparison::AtMost,
            "$gt" => Comparison::Greater,
            "$gte" => Comparison::AtLeast,
            other => return self.fail(no_operator(other, false)),
        };
        match value {
            Value::Number(number) => Ok(Test::Compare(comparison, number.clone())),
            other => self.fail(format_args!("must be a number, was {}", quote(other))),
        }
    }

    fn scalar(&self, value: &Value) -> Result<Scalar, JobError> {
        match Scalar::new(value) {
            Some(scalar) => Ok(scalar),
            None => self.fail(format_args!("must be {SCALAR}, was {}", kind(value))),
        }
    }

    fn scalars(&mut self, value: &Value) -> Result<Vec<Scalar>, JobError> {
        match value {
            Value::Array(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                items.map(|(number, item)| self.at(&format!("[{number}]"), |reader| reader.scalar(item))).collect()
            }
            Value::Array(_) => self.fail("must name at least one value"),
            other => self.fail(format_args!("must be an array of values, was {}", kind(other))),
        }
    }

    fn condition(&mut self, name: &str, test: Test, filters: &mut Vec<Filter>) -> Result<(), JobError> {
        self.conditions += 1;
        if self.conditions > FILTER_CONDITIONS_MAX {
            return self.fail(format_args!(
                "is one condition too many, {FILTER_CONDITIONS_MAX} may be given; $in takes any number of values"
            ));
        }
        filters.push(Filter::Condition(Condition { attribute: name.to_owned(), test, path: self.path.clone() }));
        Ok(())
    }
}

/// One filter as it is, several combined.
fn one_or(mut filters: Vec<Filter>, combine: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    if filters.len() == 1 { filters.remove(0) } else { combine(filters) }
}

/// What to say of a key that is not an operator where one must be.
fn no_operator(key: &str, combines: bool) -> String {
    let shown = clip(key);
    if combines && OPERATORS.contains(&key) {
        return format!("{shown} belongs to an attribute: {{\"price\": {{\"{shown}\": ...}}}}");
    }
    if !combines && COMBINING.contains(&key) {
        return format!("{shown} combines filters and belongs outside an attribute");
    }
    let known: &[&str] = if combines { &COMBINING } else { &OPERATORS };
    let spelling = format!("${}", shown.trim_start_matches('$').to_lowercase());
    let likeness = |name: &&&str| (strsim::jaro_winkler(&spelling, name) * 1e6) as u64;
    let nearest = known
        .iter()
        .max_by_key(likeness)
        .filter(|name| !ELSEWHERE.contains(&key) && strsim::osa_distance(&spelling, name) <= 2);
    let hint =
        nearest.map_or_else(|| format!("there are {}", known.join(", ")), |name| format!("did you mean {name}?"));
    format!("is not an operator, {hint}")
}

impl JsonSchema for Filter {
    fn schema_name() -> Cow<'static, str> {
        "Filter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let filter = generator.subschema_for::<Self>();
        let filters = json_schema!({"type": "array", "minItems": 1, "items": filter});
        let scalar = json_schema!({"type": ["string", "number", "boolean"]});
        let scalars = json_schema!({"type": "array", "minItems": 1, "items": scalar});
        let number = json_schema!({"type": "number"});
        json_schema!({
            "description": "Products pass if each key passes: an attribute, with a value that it has to be or with \
                            operators; `$and` and `$or` combine filters. At most 100 conditions, 8 levels. An \
                            attribute that is a list passes what one of its elements passes; one that is absent passes \
                            `$ne`, `$nin` and `$exists: false` alone.",
            "type": "object",
            "properties": {"$and": filters, "$or": filters},
            "patternProperties": {
                "^([^$]|$)": {
                    "description": "An attribute",
                    "anyOf": [
                        scalar,
                        {
                            "type": "object",
                            "minProperties": 1,
                            "properties": {
                                "$eq": scalar, "$ne": scalar, "$in": scalars, "$nin": scalars,
                                "$gt": number, "$gte": number, "$lt": number, "$lte": number,
                                "$exists": {"type": "boolean"},
                            },
                            "additionalProperties": false,
                        },
                    ],
                },
            },
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Filter {
        Filter::parse(value).unwrap_or_else(|error| panic!("{error}"))
    }

    fn condition(attribute: &str, path: &str, test: Test) -> Filter {
        Filter::Condition(Condition { attribute: attribute.into(), path: path.into(), test })
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.into())
    }

    #[test]
    fn every_operator_is_read() {
        let one = |operator: &str, value: Value, test| {
            let path = format!("filter.a.{operator}");
            assert_eq!(parse(&json!({"a": {operator: value}})), condition("a", &path, test));
        };
        one("$eq", json!("x"), Test::OneOf(vec![text("x")]));
        one("$ne", json!(true), Test::NoneOf(vec![Scalar::Boolean(true)]));
        one("$in", json!(["x", 2]), Test::OneOf(vec![text("x"), Scalar::Number(2.into())]));
        one("$nin", json!([""]), Test::NoneOf(vec![text("")]));
        one("$lt", json!(1), Test::Compare(Comparison::Less, 1.into()));
        one("$lte", json!(-1), Test::Compare(Comparison::AtMost, (-1).into()));
        one("$gt", json!(u64::MAX), Test::Compare(Comparison::Greater, u64::MAX.into()));
        one("$gte", json!(0.5), Test::Compare(Comparison::AtLeast, Number::from_f64(0.5).unwrap()));
        one("$exists", json!(false), Test::Exists(false));
        assert_eq!(parse(&json!({"a": 5})), condition("a", "filter.a", Test::OneOf(vec![Scalar::Number(5.into())])));
        assert_eq!(parse(&json!({})), Filter::All(Vec::new()));
    }

    #[test]
    fn several_keys_are_all_asked_for() {
        let filter = parse(&json!({"$or": [{"a": "x"}, {"b": {"$gt": 1, "$lt": 3}}], "c": true}));
        let range = Filter::All(vec![
            condition("b", "filter.$or[1].b.$gt", Test::Compare(Comparison::Greater, 1.into())),
            condition("b", "filter.$or[1].b.$lt", Test::Compare(Comparison::Less, 3.into())),
        ]);
        let any = Filter::Any(vec![condition("a", "filter.$or[0].a", Test::OneOf(vec![text("x")])), range]);
        let flag = condition("c", "filter.c", Test::OneOf(vec![Scalar::Boolean(true)]));
        assert_eq!(filter, Filter::All(vec![any, flag]));
        let mut names = Vec::new();
        filter.each_condition(&mut |condition| names.push(condition.attribute.as_str()));
        assert_eq!(names, ["a", "b", "b", "c"]);
    }

    #[track_caller]
    fn refused(value: &Value, message: &str) {
        let error = Filter::parse(value).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::InvalidFilter, message));
    }

    #[test]
    fn errors_name_the_path_and_what_is_allowed() {
        refused(
            &json!({"$or": [{"a": 1}, {"price": {"$lt": "50"}}]}),
            r#"filter.$or[1].price.$lt: must be a number, was "50""#,
        );
        refused(&json!([]), "filter: must be an object, was an array");
        refused(&json!({"a": {"$gtt": 1}}), "filter.a.$gtt: is not an operator, did you mean $gt?");
        refused(&json!({"a": {"lt": 1}}), "filter.a.lt: is not an operator, did you mean $lt?");
        refused(&json!({"a": {"$LTE": 1}}), "filter.a.$LTE: is not an operator, did you mean $lte?");
        refused(
            &json!({"a": {"$regex": "x"}}),
            "filter.a.$regex: is not an operator, there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists",
        );
        refused(&json!({"$not": {"a": 1}}), "filter.$not: is not an operator, there are $and, $or");
        refused(&json!({"$andd": []}), "filter.$andd: is not an operator, did you mean $and?");
        refused(&json!({"$lt": 5}), r#"filter.$lt: $lt belongs to an attribute: {"price": {"$lt": ...}}"#);
        refused(&json!({"a": {"$or": []}}), "filter.a.$or: $or combines filters and belongs outside an attribute");
        refused(&json!({"$and": []}), "filter.$and: must not be empty");
        refused(&json!({"$and": [{}]}), "filter.$and[0]: must not be empty");
        refused(&json!({"$and": {"a": 1}}), "filter.$and: must be an array of filters, was an object");
        refused(&json!({"a": {"$in": []}}), "filter.a.$in: must name at least one value");
        refused(&json!({"a": {"$in": "x"}}), "filter.a.$in: must be an array of values, was a string");
        refused(
            &json!({"a": {"$nin": ["x", null]}}),
            "filter.a.$nin[1]: must be a string, a number or a boolean, was null",
        );
        refused(&json!({"a": {"$exists": "yes"}}), r#"filter.a.$exists: must be true or false, was "yes""#);
        refused(&json!({"a": null}), r#"filter.a: must not be null; {"$exists": false} asks for products without it"#);
        refused(
            &json!({"a": ["x"]}),
            r#"filter.a: must not be an array; {"$in": [...]} asks for one of several values"#,
        );
        refused(&json!({"a": {}}), r#"filter.a: must not be empty; {"$exists": true} asks for products that have it"#);
    }

    #[test]
    fn depth_and_number_are_limited() {
        let nested = |levels: usize| (1..levels).fold(json!({"a": 1}), |filter, _| json!({"$or": [filter]}));
        parse(&nested(8));
        let error = Filter::parse(&nested(9)).unwrap_err().message;
        assert!(error.ends_with("$or[0]: is nested more than 8 levels deep"), "{error}");
        let many = |count: usize| json!({"$or": (0..count).map(|number| json!({"a": number})).collect::<Vec<_>>()});
        parse(&many(100));
        let error = Filter::parse(&many(101)).unwrap_err().message;
        assert!(error.starts_with("filter.$or[100].a: is one condition too many, 100 may be given"), "{error}");
        let values: Vec<_> = (0..10_000).collect();
        parse(&json!({"a": {"$in": values}}));
        let long = json!({"x".repeat(100_000): {"$x".repeat(100_000): 1}});
        assert!(Filter::parse(&long).unwrap_err().message.len() < 400);
    }
}
