//! What may be asked of an index, what is refused, and how the answer looks.
//!
//! Rows and categories are numbers here: row order is catalog order, and a category's number tells when it first
//! appears, so ascending numbers are catalog order for both. A query is checked and prepared once per batch, before
//! any row is read: a batch is answered whole or not at all.

use std::sync::Arc;

use ndarray::ArrayView1;
use thiserror::Error;

use crate::numbering::LayerCategories;
use crate::position_set::PositionSet;
use crate::row_set::{Identity, RowSet};
use crate::score::norm;
use crate::top_k::Match;

/// The most matches that one group of a ranking may have.
pub const MAX_TOP_K: usize = 1_000;

/// One question to an [`Index`](crate::Index).
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// As many finite components as the index has dimensions, not all zero; of any length and stride.
    pub vector: ArrayView1<'a, f32>,
    /// The most matches in each group, 1 to [`MAX_TOP_K`].
    pub top_k: usize,
    /// Whether `top_k` counts for each category or for all of them together.
    pub grouping: Grouping,
    /// Only rows of these category numbers match; `None` for all. Any order; repeated ones collapse.
    pub categories: Option<&'a [u32]>,
    /// Only rows that score at least this match.
    pub min_score: Option<f32>,
    /// Row numbers that never match. Any order; repeated ones and numbers beyond the index are ignored.
    pub exclude: &'a [u32],
    /// Only these rows match; `None` for all.
    pub rows: Option<&'a RowSet>,
}

/// How the matches of a ranking are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// The best `top_k` of each category.
    ByCategory,
    /// The best `top_k` over all asked-for categories together.
    Overall,
}

/// The answer to one [`Query`].
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// [`Grouping::ByCategory`]: one for each asked-for category in catalog order, those without matches included.
    /// [`Grouping::Overall`]: exactly one.
    pub groups: Vec<Group>,
    /// How often a row's exact score was computed for this query: a measure of work, not part of the result. A row that
    /// was scored twice counts twice.
    pub rescored: u64,
}

/// The matches of one category, or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The category's number; `None` with [`Grouping::Overall`].
    pub category: Option<u32>,
    /// Best first: score descending, then catalog order ([`Index::place`](crate::Index::place)), which is that of row
    /// numbers where no row was changed.
    pub matches: Vec<Match>,
}

impl Ranking {
    /// Takes over what was found among other rows, at most `top_k` matches in each group.
    pub(crate) fn merge(&mut self, other: Self, top_k: usize) {
        self.rescored += other.rescored;
        for (mine, theirs) in self.groups.iter_mut().zip(other.groups) {
            if mine.matches.is_empty() {
                mine.matches = theirs.matches;
            } else if !theirs.matches.is_empty() {
                mine.matches.extend(theirs.matches);
                mine.matches.sort_unstable_by(|a, b| a.rank(*b));
                // Both may have taken over what was found before they started.
                mine.matches.dedup_by_key(|found| found.row);
                mine.matches.truncate(top_k);
            }
        }
    }
}

/// A batch was refused because of this query, the first at fault.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("query {position} of the batch: {fault}")]
pub struct QueryError {
    /// Position in the batch, from 0.
    pub position: usize,
    /// What is wrong with it.
    pub fault: QueryFault,
}

/// What can be wrong with a [`Query`]. None of it can be retried: the query has to change.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[expect(missing_docs, reason = "each variant's message says what its fields are")]
pub enum QueryFault {
    /// The vector and the index do not have the same number of dimensions.
    #[error("its vector has {actual} components, but the index has {expected} dimensions")]
    DimensionMismatch { expected: usize, actual: usize },
    /// A component is NaN or infinite.
    #[error("component {component} of its vector is {value}; every component must be finite")]
    NotFinite { component: usize, value: f32 },
    /// The cosine with a zero vector is not defined.
    #[error("its vector is all zeros, which has no direction; at least one component must differ from zero")]
    ZeroVector,
    /// `top_k` is out of range.
    #[error("top_k must be 1 to {MAX_TOP_K}, was {top_k}")]
    TopKOutOfRange { top_k: usize },
    /// A category number that the index does not have.
    #[error("category number {category} does not exist; the index numbers its {categories} categories from 0")]
    UnknownCategory { category: u32, categories: u32 },
    /// `min_score` is NaN.
    #[error("min_score is not a number; leave it out to admit every score")]
    MinScoreNotANumber,
    /// The set of rows was made by another index.
    #[error("its set of rows was made by another index")]
    ForeignRows,
}

/// A checked query in the form that the scan wants.
pub(crate) struct PreparedQuery<'a> {
    /// Contiguous, whatever the view was; shared by what is asked of each layer.
    pub(crate) vector: Arc<[f32]>,
    /// The same, for products in f64.
    pub(crate) exact: Arc<[f64]>,
    pub(crate) norm: f64,
    pub(crate) top_k: usize,
    pub(crate) min_score: f32,
    /// For each group what else its rows must score at least, as others of the answer do; empty if nothing is known.
    floors: Vec<f32>,
    /// The category of each group of the answer, in its order.
    pub(crate) groups: Vec<Option<u32>>,
    grouping: Grouping,
    /// Ascending, each once; `None` for all.
    categories: Option<Vec<u32>>,
    /// Ascending.
    exclude: Vec<u32>,
    /// Of the layer that is searched; `None` for all.
    pub(crate) rows: Option<&'a PositionSet>,
}

impl<'a> PreparedQuery<'a> {
    /// `dimension`, `category_count` and `identity` are the index's.
    pub(crate) fn new(
        query: &Query<'a>,
        dimension: usize,
        category_count: u32,
        identity: Identity,
    ) -> Result<Self, QueryFault> {
        let vector = query.vector.to_vec();
        if vector.len() != dimension {
            return Err(QueryFault::DimensionMismatch { expected: dimension, actual: vector.len() });
        }
        if let Some(component) = vector.iter().position(|value| !value.is_finite()) {
            return Err(QueryFault::NotFinite { component, value: vector[component] });
        }
        let norm = norm(&vector);
        if norm == 0.0 {
            return Err(QueryFault::ZeroVector);
        }
        if !(1..=MAX_TOP_K).contains(&query.top_k) {
            return Err(QueryFault::TopKOutOfRange { top_k: query.top_k });
        }
        let categories = query.categories.map(sorted);
        if let Some(&category) = categories.iter().flatten().find(|&&category| category >= category_count) {
            return Err(QueryFault::UnknownCategory { category, categories: category_count });
        }
        let min_score = query.min_score.unwrap_or(f32::NEG_INFINITY);
        if min_score.is_nan() {
            return Err(QueryFault::MinScoreNotANumber);
        }
        if query.rows.is_some_and(|rows| !rows.is_of(identity)) {
            return Err(QueryFault::ForeignRows);
        }
        Ok(Self {
            exact: vector.iter().map(|&value| f64::from(value)).collect(),
            vector: vector.into(),
            norm,
            top_k: query.top_k,
            min_score,
            floors: Vec::new(),
            groups: groups(query.grouping, categories.as_deref(), category_count),
            grouping: query.grouping,
            categories,
            exclude: sorted(query.exclude),
            rows: query.rows.map(RowSet::base),
        })
    }

    /// The same question to a layer, which has its own numbers of categories, and of rows from `first_row` on.
    pub(crate) fn of_layer(
        &self,
        numbers: &LayerCategories,
        first_row: u32,
        rows: Option<&'a PositionSet>,
    ) -> PreparedQuery<'a> {
        let categories = self.categories.as_ref().map(|wanted| {
            let mut wanted: Vec<u32> = wanted.iter().filter_map(|&category| numbers.in_layer(category)).collect();
            wanted.sort_unstable();
            wanted
        });
        let first_excluded = self.exclude.partition_point(|&row| row < first_row);
        Self {
            vector: Arc::clone(&self.vector),
            exact: Arc::clone(&self.exact),
            norm: self.norm,
            top_k: self.top_k,
            min_score: self.min_score,
            floors: Vec::new(),
            groups: groups(self.grouping, categories.as_deref(), numbers.count()),
            grouping: self.grouping,
            categories,
            exclude: self.exclude[first_excluded..].iter().map(|row| row - first_row).collect(),
            rows,
        }
    }

    /// Tells what the rows of each group must score at least to matter. The query's minimum stays.
    pub(crate) fn set_floors(&mut self, floor: impl Fn(Option<u32>) -> f32) {
        self.floors = self.groups.iter().map(|&category| floor(category).max(self.min_score)).collect();
    }

    /// What a row must score at least to be a match of a group.
    #[inline]
    pub(crate) fn floor(&self, group: usize) -> f32 {
        self.floors.get(group).copied().unwrap_or(self.min_score)
    }

    /// An answer without matches.
    pub(crate) fn empty_ranking(&self) -> Ranking {
        let groups = self.groups.iter().map(|&category| Group { category, matches: Vec::new() });
        Ranking { groups: groups.collect(), rescored: 0 }
    }

    /// The position in the answer of the group in which rows of this category compete; `None` if it is not asked for.
    #[inline]
    pub(crate) fn group_of(&self, category: u32) -> Option<usize> {
        let position = match &self.categories {
            Some(wanted) => wanted.binary_search(&category).ok()?,
            None => category as usize,
        };
        Some(match self.grouping {
            Grouping::ByCategory => position,
            Grouping::Overall => 0,
        })
    }

    /// The categories whose rows compete in a group; `None` for all.
    pub(crate) fn categories_of(&self, group: usize) -> Option<&[u32]> {
        match (&self.groups[group], &self.categories) {
            (Some(category), _) => Some(std::slice::from_ref(category)),
            (None, wanted) => wanted.as_deref(),
        }
    }

    /// The categories whose rows compete; `None` for all.
    pub(crate) fn categories(&self) -> Option<&[u32]> {
        self.categories.as_deref()
    }

    /// Whether the row at a position of the index is in the set of rows, if there is one.
    #[inline]
    pub(crate) fn passes(&self, position: usize) -> bool {
        self.rows.is_none_or(|rows| rows.contains(position))
    }

    pub(crate) fn has_exclusions(&self) -> bool {
        !self.exclude.is_empty()
    }

    pub(crate) fn excludes(&self, row: u32) -> bool {
        self.exclude.binary_search(&row).is_ok()
    }
}

/// The category of each group of an answer.
fn groups(grouping: Grouping, wanted: Option<&[u32]>, category_count: u32) -> Vec<Option<u32>> {
    match (grouping, wanted) {
        (Grouping::Overall, _) => vec![None],
        (Grouping::ByCategory, Some(wanted)) => wanted.iter().copied().map(Some).collect(),
        (Grouping::ByCategory, None) => (0..category_count).map(Some).collect(),
    }
}

/// Ascending, each number once.
fn sorted(numbers: &[u32]) -> Vec<u32> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
