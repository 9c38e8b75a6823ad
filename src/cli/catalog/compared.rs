//! How differently two catalogs have answered the same jobs, in figures and examples.

use std::collections::BTreeMap;

use nearline_contract::{Group, JobError};
use serde::Serialize;

/// Jobs that are shown, those that differ most.
const EXAMPLES: usize = 5;
/// Matches that are shown of each.
const SHOWN: usize = 5;

/// What a catalog answers a job.
pub(super) type Answer = Result<Vec<Group>, JobError>;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    a: Side,
    b: Side,
    jobs: usize,
    /// Jobs that both answer; the figures below are of these.
    compared: usize,
    /// Jobs that only one answers.
    only_a: usize,
    only_b: usize,
    /// Jobs that both reject.
    neither: usize,
    /// Jobs with the same matches in the same order.
    same_ranking: f64,
    /// Jobs with the same best match.
    same_first: f64,
    /// Matches of a job that both find, of those of the side that finds more; the mean over jobs.
    overlap: f64,
    /// Score in B less that in A, of matches that both find.
    score_shift_mean: f64,
    score_shift_max: f64,
    /// The jobs that differ most.
    examples: Vec<Example>,
}

/// A catalog.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    pub(super) version: String,
    pub(super) rows: usize,
    pub(super) dimension: usize,
    pub(super) model_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Example {
    request_id: Option<String>,
    overlap: f64,
    a: Vec<Found>,
    b: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Found {
    product_id: String,
    score: f32,
}

/// A job's answers of both.
struct Pair<'a> {
    id: &'a Option<String>,
    a: &'a [Group],
    b: &'a [Group],
}

/// Scores by category and product.
fn matches(groups: &[Group]) -> BTreeMap<(Option<&str>, &str), f32> {
    let mut all = BTreeMap::new();
    for group in groups {
        all.extend(group.matches.iter().map(|it| ((group.category.as_deref(), it.product_id.as_str()), it.score)));
    }
    all
}

/// All matches of a job, best first.
fn best(groups: &[Group]) -> Vec<Found> {
    let all = groups.iter().flat_map(|group| &group.matches);
    let mut all: Vec<Found> =
        all.map(|found| Found { product_id: found.product_id.clone(), score: found.score }).collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score)); // stable: ties stay in order
    all
}

/// The ranking of each group.
fn ids(groups: &[Group]) -> Vec<(Option<&str>, Vec<&str>)> {
    let of = groups.iter();
    of.map(|group| (group.category.as_deref(), group.matches.iter().map(|it| it.product_id.as_str()).collect()))
        .collect()
}

impl Pair<'_> {
    fn overlap(&self) -> f64 {
        let (a, b) = (matches(self.a), matches(self.b));
        let both = a.keys().filter(|key| b.contains_key(*key)).count();
        let most = a.len().max(b.len());
        if most == 0 { 1.0 } else { both as f64 / most as f64 }
    }

    fn shifts(&self) -> Vec<f64> {
        let (a, b) = (matches(self.a), matches(self.b));
        a.iter().filter_map(|(key, score)| Some(f64::from(*b.get(key)?) - f64::from(*score))).collect()
    }

    fn same_first(&self) -> bool {
        let first = |groups| best(groups).into_iter().next().map(|found| found.product_id);
        first(self.a) == first(self.b)
    }
}

impl Comparison {
    pub(super) fn new(a: Side, b: Side, ids_of_jobs: &[Option<String>], of_a: &[Answer], of_b: &[Answer]) -> Self {
        let (mut only_a, mut only_b, mut neither) = (0, 0, 0);
        let mut pairs = Vec::new();
        for ((id, a), b) in ids_of_jobs.iter().zip(of_a).zip(of_b) {
            match (a, b) {
                (Ok(a), Ok(b)) => pairs.push(Pair { id, a, b }),
                (Ok(_), Err(_)) => only_a += 1,
                (Err(_), Ok(_)) => only_b += 1,
                (Err(_), Err(_)) => neither += 1,
            }
        }
        let share = |is: &dyn Fn(&Pair<'_>) -> f64| {
            let sum: f64 = pairs.iter().map(is).sum();
            if pairs.is_empty() { 1.0 } else { sum / pairs.len() as f64 }
        };
        let shifts: Vec<f64> = pairs.iter().flat_map(Pair::shifts).collect();
        let mean = if shifts.is_empty() { 0.0 } else { shifts.iter().sum::<f64>() / shifts.len() as f64 };
        let mut differing: Vec<(f64, &Pair<'_>)> =
            pairs.iter().map(|pair| (pair.overlap(), pair)).filter(|(_, pair)| ids(pair.a) != ids(pair.b)).collect();
        differing.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let shown = |groups: &[Group]| best(groups).into_iter().take(SHOWN).collect();
        let example = |(overlap, pair): &(f64, &Pair<'_>)| Example {
            request_id: pair.id.clone(),
            overlap: *overlap,
            a: shown(pair.a),
            b: shown(pair.b),
        };
        Self {
            jobs: ids_of_jobs.len(),
            compared: pairs.len(),
            only_a,
            only_b,
            neither,
            same_ranking: share(&|pair| f64::from(u8::from(ids(pair.a) == ids(pair.b)))),
            same_first: share(&|pair| f64::from(u8::from(pair.same_first()))),
            overlap: share(&|pair| pair.overlap()),
            score_shift_mean: mean,
            score_shift_max: shifts.into_iter().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or_default(),
            examples: differing.iter().take(EXAMPLES).map(example).collect(),
            a,
            b,
        }
    }

    pub(super) fn for_people(&self) -> String {
        let side = |name: &str, side: &Side| {
            let Side { version, rows, dimension, model_id } = side;
            let version = if version.is_empty() { "no version" } else { version };
            let model = model_id.as_deref().unwrap_or("no model");
            format!("{name}  {version}  {rows} products  {dimension} dimensions  {model}")
        };
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        let mut lines = vec![
            side("A", &self.a),
            side("B", &self.b),
            format!(
                "jobs           {}: {} answered by both, {} by A only, {} by B only, {} by neither",
                self.jobs, self.compared, self.only_a, self.only_b, self.neither
            ),
            format!("same ranking   {}", percent(self.same_ranking)),
            format!("same first     {}", percent(self.same_first)),
            format!("overlap        {}", percent(self.overlap)),
            format!("score, B - A   {:+.4} in the mean, {:+.4} at most", self.score_shift_mean, self.score_shift_max),
        ];
        for Example { request_id, overlap, a, b } in &self.examples {
            lines.push(format!("\n{}: overlap {}", request_id.as_deref().unwrap_or("?"), percent(*overlap)));
            for place in 0..a.len().max(b.len()) {
                let cell = |found: Option<&Found>| {
                    found.map_or(String::new(), |found| format!("{:.4}  {}", found.score, found.product_id))
                };
                lines.push(format!("  {:<34}  {}", cell(a.get(place)), cell(b.get(place))).trim_end().to_owned());
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use nearline_contract::{ErrorCode, Match};

    use super::*;

    fn answer(found: &[(&str, f32)]) -> Vec<Group> {
        let found = found.iter().map(|(id, score)| {
            let json = serde_json::json!({"product_id": id, "score": score});
            serde_json::from_value::<Match>(json).unwrap()
        });
        vec![Group { category: None, matches: found.collect() }]
    }

    fn side() -> Side {
        Side { version: "v".into(), rows: 1, dimension: 2, model_id: None }
    }

    #[test]
    fn what_differs_is_counted_and_the_largest_differences_are_shown() {
        let rejected = || Err(JobError::new(ErrorCode::UnknownProduct, ""));
        let of_a = [
            Ok(answer(&[("a", 0.9), ("b", 0.5)])),
            Ok(answer(&[("a", 0.9), ("b", 0.5)])),
            Ok(answer(&[("a", 0.9), ("b", 0.5)])),
            Ok(answer(&[("a", 0.9)])),
            rejected(),
        ];
        let of_b = [
            Ok(answer(&[("a", 0.9), ("b", 0.5)])),
            Ok(answer(&[("b", 0.75), ("a", 0.65)])),
            Ok(answer(&[("c", 0.9), ("d", 0.5)])),
            rejected(),
            rejected(),
        ];
        let ids: Vec<_> = (0..5).map(|number| Some(number.to_string())).collect();
        let found = Comparison::new(side(), side(), &ids, &of_a, &of_b);
        assert_eq!((found.jobs, found.compared, found.only_a, found.only_b, found.neither), (5, 3, 1, 0, 1));
        let thirds = |count: f64| count / 3.0;
        assert_eq!((found.same_ranking, found.same_first, found.overlap), (thirds(1.0), thirds(1.0), thirds(2.0)));
        assert!(found.score_shift_mean.abs() < 1e-6 && (found.score_shift_max.abs() - 0.25).abs() < 1e-6);
        let shown: Vec<_> = found.examples.iter().map(|example| example.request_id.as_deref().unwrap()).collect();
        assert_eq!(shown, ["2", "1"], "what is the same is no example");
        assert!(found.for_people().contains("same first     33.3%"), "{}", found.for_people());
    }
}
