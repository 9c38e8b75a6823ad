//! Jobs of all forms, as producers send them: right ones, wrong ones, repetitions, and ids that are used twice.

use fastrand::Rng;
use nearline_contract::ErrorCode;

/// What is known of a body before any catalog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// To be answered, or rejected by what the catalog holds.
    Valid,
    /// Rejected with this code by whatever worker gets it.
    Invalid(ErrorCode),
    /// No record can answer it.
    Unreadable(ErrorCode),
    /// For a worker that does not exist yet.
    Newer,
    /// The model refuses its text.
    Poison,
}

/// A body, and what it is.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) body: String,
    pub(crate) form: Form,
    /// Not through the queue: its caller has to see to it.
    pub(crate) direct: bool,
}

/// The text in which the model finds what it refuses.
pub(crate) const POISON: &str = "POISON";

const INVALID: [(&str, ErrorCode); 9] = [
    (r#""query":"mug","top_k":0"#, ErrorCode::OutOfRange),
    (r#""query":"mug","topk":5"#, ErrorCode::UnknownField),
    (r#""query":"mug","vector":[1]"#, ErrorCode::ConflictingFields),
    (r#""top_k":3"#, ErrorCode::MissingField),
    (r#""vector":[0,0]"#, ErrorCode::InvalidVector),
    (r#""query":"mug","categories":[]"#, ErrorCode::OutOfRange),
    (r#""query":"mug","min_score":2"#, ErrorCode::OutOfRange),
    (r#""query":"mug","metadata":{"":"x"}"#, ErrorCode::OutOfRange),
    (r#""query":"mug","not_after":"1999-01-01T00:00:00Z""#, ErrorCode::Expired),
];

const UNREADABLE: [(&str, ErrorCode); 4] = [
    ("nonsense", ErrorCode::InvalidJson),
    (r#"{"request_id":"r1","request_id":"r2","query":"mug"}"#, ErrorCode::InvalidJson),
    (r#"{"query":"mug"}"#, ErrorCode::InvalidRequestId),
    (r#"{"request_id":"a b","query":"mug"}"#, ErrorCode::InvalidRequestId),
];

/// So many messages; some repeat an earlier one, some take an id that another has.
pub(crate) fn jobs(rng: &mut Rng, count: usize, dimension: usize) -> Vec<Sent> {
    let mut jobs: Vec<Sent> = Vec::with_capacity(count);
    for number in 0..count {
        let job = match rng.u8(..100) {
            0..15 if number > 0 => jobs[rng.usize(..number)].clone(),
            15..20 => {
                let (body, code) = UNREADABLE[rng.usize(..UNREADABLE.len())];
                Sent { body: body.into(), form: Form::Unreadable(code), direct: false }
            }
            _ => {
                let id = if rng.u8(..10) == 0 { rng.usize(..=number) } else { number };
                let (fields, form) = fields(rng, dimension);
                Sent { body: format!(r#"{{"request_id":"r{id}",{fields}}}"#), form, direct: false }
            }
        };
        jobs.push(job);
    }
    jobs
}

fn fields(rng: &mut Rng, dimension: usize) -> (String, Form) {
    let target = match rng.u8(..20) {
        0..2 => {
            let (fields, code) = INVALID[rng.usize(..INVALID.len())];
            return (fields.into(), Form::Invalid(code));
        }
        2 => return (format!(r#""query":"{POISON} {}""#, rng.u8(..3)), Form::Poison),
        3 => return (r#""query":"mug","version":2"#.into(), Form::Newer),
        4..9 => format!(r#""product_id":"p{}""#, rng.u8(..30)),
        9 => {
            let length = if rng.bool() { dimension } else { 3 };
            let numbers: Vec<String> = (0..length).map(|_| rng.i8(1..).to_string()).collect();
            format!(r#""vector":[{}]"#, numbers.join(","))
        }
        _ => format!(r#""query":"mug {}""#, rng.u8(..12)),
    };
    let mut fields = vec![target];
    let mut maybe = |of_ten: u8, field: &dyn Fn(&mut Rng) -> String| {
        if rng.u8(..10) < of_ten {
            fields.push(field(rng));
        }
    };
    maybe(4, &|rng| format!(r#""top_k":{}"#, rng.u8(1..20)));
    maybe(3, &|rng| format!(r#""categories":["c{}","c{}"]"#, rng.u8(..4), rng.u8(..2)));
    maybe(3, &|_| r#""group_by":"none""#.into());
    maybe(2, &|rng| format!(r#""min_score":{}"#, f64::from(rng.i8(..)) / 256.0));
    maybe(2, &|rng| format!(r#""exclude":["p{}","nothing"]"#, rng.u8(..9)));
    maybe(5, &|_| r#""return":["title"]"#.into());
    maybe(1, &|rng| format!(r#""not_after":"2026-11-23T12:{:02}:00Z""#, rng.u8(..60)));
    maybe(2, &|rng| format!(r#""metadata":{{"tenant":"t{}"}}"#, rng.u8(..5)));
    (fields.join(","), Form::Valid)
}
