//! What a record must say, computed the slow way from the contract: every product that passes, every score, then a full sort.

use nearline::catalog::Rows;
use nearline_contract::{Group, GroupBy, Match, SearchJob, Target};

#[path = "../../examples/generate/filter.rs"]
mod filter;

pub(crate) use filter::Attributes;

/// The contract's sum: 8 lanes of f64, then a tree.
fn dot(x: &[f32], y: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for i in 0..x.len() {
        lanes[i % 8] += f64::from(x[i]) * f64::from(y[i]);
    }
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

fn score(x: &[f32], y: &[f32]) -> f32 {
    let score = (dot(x, y) / (dot(x, x).sqrt() * dot(y, y).sqrt())) as f32;
    if score == 0.0 { 0.0 } else { score }
}

/// The results of a valid job, whose text `embed` would turn into a vector of the length that it is told, in a catalog
/// without attributes.
pub(crate) fn results(rows: &Rows, job: &SearchJob, embed: impl Fn(&str, usize) -> Vec<f32>) -> Vec<Group> {
    results_with(rows, &vec![Attributes::new(); rows.product_ids.len()], job, embed)
}

/// The same with the attributes of each product.
pub(crate) fn results_with(
    rows: &Rows,
    attributes: &[Attributes],
    job: &SearchJob,
    embed: impl Fn(&str, usize) -> Vec<f32>,
) -> Vec<Group> {
    let vector_of = |row: usize| &rows.vectors[row * rows.dimension..(row + 1) * rows.dimension];
    let vector = match &job.target {
        Target::Query(text) => embed(text, rows.dimension),
        Target::Vector(vector) => vector.clone(),
        Target::ProductId(id) => vector_of(rows.product_ids.iter().position(|product| product == id).unwrap()).to_vec(),
    };
    let wanted = |category: &String| job.categories.as_ref().is_none_or(|names| names.contains(category));
    let matches = |category: Option<&String>| {
        let mut scored: Vec<(f32, usize)> = (0..rows.product_ids.len())
            .filter(|&row| category.is_none_or(|category| rows.categories[row] == *category))
            .filter(|&row| wanted(&rows.categories[row]))
            .filter(|&row| !job.exclude.contains(&rows.product_ids[row]))
            .filter(|&row| job.target != Target::ProductId(rows.product_ids[row].clone()))
            .filter(|&row| job.filter.as_ref().is_none_or(|asked| filter::passes(asked, &attributes[row])))
            .map(|row| (score(&vector, vector_of(row)), row))
            .filter(|(score, _)| job.min_score.is_none_or(|least| *score >= least))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.truncate(usize::from(job.top_k));
        let found = |&(score, row): &(f32, usize)| Match {
            product_id: rows.product_ids[row].clone(),
            score,
            category: category.is_none().then(|| rows.categories[row].clone()),
            title: rows.titles[row].clone().filter(|_| job.return_title),
            attributes: returned(job, &attributes[row]),
        };
        scored.iter().map(found).collect::<Vec<_>>()
    };
    match job.group_by {
        GroupBy::None => vec![Group { category: None, matches: matches(None) }],
        GroupBy::Category => {
            let mut categories: Vec<&String> = Vec::new();
            for category in rows.categories.iter().filter(|category| wanted(category)) {
                if !categories.contains(&category) {
                    categories.push(category);
                }
            }
            let group =
                |category: &String| Group { category: Some(category.clone()), matches: matches(Some(category)) };
            categories.into_iter().map(group).collect()
        }
    }
}

/// Those that the job asks for.
fn returned(job: &SearchJob, attributes: &Attributes) -> Attributes {
    let mut returned = attributes.clone();
    returned.retain(|name, _| job.return_attributes.contains(name));
    returned
}
