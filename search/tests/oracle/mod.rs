//! The naive oracle: the definition of the ranking written out as plainly as possible, sharing no code with the crate.
//!
//! Scores every row of the catalog, sorts everything, cuts. Slow on purpose.

/// A query in plain types.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) vector: Vec<f32>,
    pub(crate) top_k: usize,
    pub(crate) by_category: bool,
    pub(crate) categories: Option<Vec<u32>>,
    pub(crate) min_score: Option<f32>,
    pub(crate) exclude: Vec<u32>,
    /// For each row whether it may match; `None`: all may.
    pub(crate) rows: Option<Vec<bool>>,
}

/// Per group its category and its matches, best first: row and the bits of the score.
pub(crate) type Answer = Vec<(Option<u32>, Vec<(u32, u32)>)>;

pub(crate) fn dot(x: &[f32], y: &[f32]) -> f64 {
    let mut l = [0.0_f64; 8];
    for (i, (x, y)) in x.iter().zip(y).enumerate() {
        l[i % 8] += f64::from(*x) * f64::from(*y);
    }
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

pub(crate) fn score(x: &[f32], y: &[f32]) -> f32 {
    let score = (dot(x, y) / (dot(x, x).sqrt() * dot(y, y).sqrt())) as f32;
    if score == 0.0 { 0.0 } else { score }
}

/// The answer to a question about `rows` with one category number each.
pub(crate) fn answer(rows: &[Vec<f32>], categories: &[u32], question: &Question) -> Answer {
    let mut found: Vec<(u32, f32)> = Vec::new();
    for (row, vector) in rows.iter().enumerate() {
        let row = u32::try_from(row).unwrap();
        let score = score(&question.vector, vector);
        let wanted = match &question.categories {
            Some(wanted) => wanted.contains(&categories[row as usize]),
            None => true,
        };
        let good_enough = match question.min_score {
            Some(min_score) => score >= min_score,
            None => true,
        };
        let passes = question.rows.as_ref().is_none_or(|rows| rows[row as usize]);
        if passes && wanted && good_enough && !question.exclude.contains(&row) {
            found.push((row, score));
        }
    }
    found.sort_by(|(row_a, score_a), (row_b, score_b)| score_b.partial_cmp(score_a).unwrap().then(row_a.cmp(row_b)));

    let best = |of: &dyn Fn(u32) -> bool| {
        let matches = found.iter().filter(|(row, _)| of(categories[*row as usize])).take(question.top_k);
        matches.map(|(row, score)| (*row, score.to_bits())).collect()
    };
    if !question.by_category {
        return vec![(None, best(&|_| true))];
    }
    let last = *categories.iter().max().unwrap();
    let asked_for = (0..=last).filter(|category| question.categories.as_ref().is_none_or(|c| c.contains(category)));
    asked_for.map(|category| (Some(category), best(&|of_row| of_row == category))).collect()
}
