//! A job in terms of one catalog: names become rows and category numbers, and rankings become named matches.
//!
//! What is decided here holds for the worker and for `nearline search` alike.

use std::sync::Arc;

use ndarray::ArrayView1;
use nearline_contract::limits::{RECORD_MATCHES_MAX, RECORD_VALUES_MAX};
use nearline_contract::{ErrorCode, Group, GroupBy, JobError, Match, SearchJob, Target, clip};
use nearline_search::{Grouping, Query, Ranking, RowSet};
use time::OffsetDateTime;

use crate::catalog::{Catalog, RowFilter, folded};
use crate::clock::iso8601;

/// What a job asks of the rows, but for its vector.
#[derive(Debug, Clone)]
pub struct Plan {
    top_k: usize,
    grouping: Grouping,
    categories: Option<Vec<u32>>,
    min_score: Option<f32>,
    exclude: Vec<u32>,
    filter: Option<RowFilter>,
    /// What passes the filter.
    rows: Option<Arc<RowSet>>,
    returned: Arc<Returned>,
}

/// What matches carry besides id and score.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Returned {
    /// Whether titles.
    pub title: bool,
    /// Names and numbers of attributes.
    pub attributes: Vec<(String, usize)>,
}

/// Where a job's vector comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source<'a> {
    /// The job brings it, or names a product that has it.
    Vector(Vec<f32>),
    /// A text, which has to be embedded.
    Text(&'a str),
}

impl Plan {
    /// Plans a job that is picked up at `now`. Whatever can be refused without looking at rows is refused here. If there
    /// is a [`filter`](Self::filter), the plan is whole when it [has what passes](Self::narrow).
    ///
    /// # Errors
    /// [`ErrorCode::Expired`]; a category, product or attribute that the catalog does not have; a value that an attribute
    /// cannot have; a vector of another length; a text although the catalog names no model; an answer that is sure to be
    /// larger than a record may be.
    pub fn new<'a>(catalog: &Catalog, job: &'a SearchJob, now: OffsetDateTime) -> Result<(Self, Source<'a>), JobError> {
        check_expiry(job, now)?;
        let number = |name: &String| {
            catalog.category(name).ok_or_else(|| {
                let hint = did_you_mean(name, catalog.nearest_category(name));
                let message = format!("the catalog has no category `{}`{hint}", clip(name));
                JobError::new(ErrorCode::UnknownCategory, message)
            })
        };
        let mut exclude: Vec<u32> = job.exclude.iter().filter_map(|id| catalog.row(id)).collect();
        if let Target::ProductId(id) = &job.target {
            exclude.push(product_row(catalog, id)?);
        }
        let plan = Self {
            top_k: usize::from(job.top_k),
            grouping: match job.group_by {
                GroupBy::Category => Grouping::ByCategory,
                GroupBy::None => Grouping::Overall,
            },
            categories: job.categories.as_ref().map(|names| names.iter().map(number).collect()).transpose()?,
            min_score: job.min_score,
            exclude,
            filter: job.filter.as_ref().map(|filter| catalog.attributes().resolve(filter)).transpose()?,
            rows: None,
            returned: Arc::new(returned(catalog, job)?),
        };
        if plan.filter.is_none() {
            plan.check_size(catalog)?;
        }
        Ok((plan, source(catalog, &job.target)?))
    }

    /// The job's filter, in terms of the catalog.
    pub fn filter(&self) -> Option<&RowFilter> {
        self.filter.as_ref()
    }

    /// Takes the rows that pass the filter: no other ones match.
    ///
    /// # Errors
    /// An answer that is sure to be larger than a record may be.
    pub fn narrow(&mut self, catalog: &Catalog, rows: Arc<RowSet>) -> Result<(), JobError> {
        self.rows = Some(rows);
        self.check_size(catalog)
    }

    /// The rows that may match.
    pub fn rows(&self) -> Option<&RowSet> {
        self.rows.as_deref()
    }

    /// What matches carry.
    pub fn returned(&self) -> &Arc<Returned> {
        &self.returned
    }

    fn check_size(&self, catalog: &Catalog) -> Result<(), JobError> {
        match self.min_score {
            // Without a least score every row matches, but for those that are excluded.
            None => check_matches(self.most_matches(catalog).saturating_sub(self.exclude.len()), &self.returned),
            Some(_) => Ok(()),
        }
    }

    /// How many matches the answer can have, known before any row is scored.
    pub fn most_matches(&self, catalog: &Catalog) -> usize {
        if self.grouping == Grouping::Overall {
            return self.top_k;
        }
        let rows = catalog.rows_by_category();
        let matches = |category: usize| {
            let all = rows[category] as usize;
            let passing = |set: &Arc<RowSet>| catalog.index().rows_in(category as u32, set);
            self.top_k.min(self.rows.as_ref().filter(|_| all > 0).map_or(all, passing))
        };
        match &self.categories {
            Some(categories) => categories.iter().map(|&category| matches(category as usize)).sum(),
            None => (0..rows.len()).map(matches).sum(),
        }
    }

    /// The query for a vector.
    pub fn query<'a>(&'a self, vector: &'a [f32]) -> Query<'a> {
        Query {
            vector: ArrayView1::from(vector),
            top_k: self.top_k,
            grouping: self.grouping,
            categories: self.categories.as_deref(),
            min_score: self.min_score,
            exclude: &self.exclude,
            rows: self.rows(),
        }
    }
}

fn returned(catalog: &Catalog, job: &SearchJob) -> Result<Returned, JobError> {
    let number = |name: &String| Ok((name.clone(), catalog.attributes().find(name, "return")?));
    let attributes = job.return_attributes.iter().map(number).collect::<Result<_, _>>()?;
    Ok(Returned { title: job.return_title, attributes })
}

fn check_expiry(job: &SearchJob, now: OffsetDateTime) -> Result<(), JobError> {
    match job.not_after {
        Some(not_after) if now > not_after => {
            let message = format!("picked up at {}, after not_after {}", iso8601(now), iso8601(not_after));
            Err(JobError::new(ErrorCode::Expired, message))
        }
        _ => Ok(()),
    }
}

fn source<'a>(catalog: &Catalog, target: &'a Target) -> Result<Source<'a>, JobError> {
    match target {
        Target::Query(_) if catalog.model_id().is_none() => {
            let message = "the catalog names no embedding model (nearline.model_id): send vector or product_id";
            Err(JobError::new(ErrorCode::MissingField, message))
        }
        Target::Query(text) => Ok(Source::Text(text)),
        Target::Vector(vector) if vector.len() != catalog.dimension() => {
            let message = format!("vector has {} numbers, the catalog {}", vector.len(), catalog.dimension());
            Err(JobError::new(ErrorCode::DimensionMismatch, message))
        }
        Target::Vector(vector) => Ok(Source::Vector(vector.clone())),
        Target::ProductId(id) => Ok(Source::Vector(catalog.index().row(product_row(catalog, id)?).to_vec())),
    }
}

fn product_row(catalog: &Catalog, id: &str) -> Result<u32, JobError> {
    catalog.row(id).ok_or_else(|| {
        let hint = did_you_mean(id, catalog.nearest_product(id));
        JobError::new(ErrorCode::UnknownProduct, format!("the catalog has no product `{}`{hint}", clip(id)))
    })
}

/// What is added to the message of an unknown name. Two names that look the same need more than the name.
fn did_you_mean(name: &str, nearest: Option<&str>) -> String {
    let Some(nearest) = nearest else { return String::new() };
    let same = if folded(nearest) == folded(name) { " (they differ only in case, blanks or Unicode form)" } else { "" };
    format!(", did you mean `{}`?{same}", clip(nearest))
}

fn check_matches(count: usize, returned: &Returned) -> Result<(), JobError> {
    let values = count * (1 + returned.attributes.len());
    if count <= RECORD_MATCHES_MAX && values <= RECORD_VALUES_MAX {
        return Ok(());
    }
    if count <= RECORD_MATCHES_MAX {
        let message = format!(
            "the result has {count} matches with {} attributes, {values} in all, a record holds at most \
             {RECORD_VALUES_MAX}: return fewer attributes, lower top_k, name fewer categories or raise min_score",
            returned.attributes.len()
        );
        return Err(JobError::new(ErrorCode::ResultTooLarge, message));
    }
    let message = format!(
        "the result has {count} matches, a record holds at most {RECORD_MATCHES_MAX}: \
         lower top_k, name fewer categories or raise min_score"
    );
    Err(JobError::new(ErrorCode::ResultTooLarge, message))
}

/// A ranking with names, as it stands in a record.
///
/// # Errors
/// More matches than a record may hold.
pub fn groups(catalog: &Catalog, ranking: &Ranking, returned: &Returned) -> Result<Vec<Group>, JobError> {
    let count: usize = ranking.groups.iter().map(|group| group.matches.len()).sum();
    check_matches(count, returned)?;
    let group = |group: &nearline_search::Group| Group {
        category: group.category.map(|category| catalog.category_name(category).to_owned()),
        matches: group
            .matches
            .iter()
            .map(|found| Match {
                product_id: catalog.product_id(found.row).to_owned(),
                score: found.score,
                category: match group.category {
                    Some(_) => None,
                    None => Some(catalog.category_name(catalog.index().category_of(found.row)).to_owned()),
                },
                title: returned.title.then(|| catalog.title(found.row)).flatten().map(str::to_owned),
                attributes: returned
                    .attributes
                    .iter()
                    .filter_map(|(name, number)| Some((name.clone(), catalog.attributes().get(*number, found.row)?)))
                    .collect(),
            })
            .collect(),
    };
    Ok(ranking.groups.iter().map(group).collect())
}

#[cfg(test)]
mod tests {
    use nearline_search::Kernel;

    use super::*;
    use crate::catalog::Rows;

    const CATEGORIES: usize = 101;
    const ROWS: usize = CATEGORIES * 1_000;

    fn catalog() -> Catalog {
        let rows = Rows {
            product_ids: (0..ROWS).map(|row| row.to_string()).collect(),
            categories: (0..ROWS).map(|row| (row % CATEGORIES).to_string()).collect(),
            titles: vec![None; ROWS],
            vectors: vec![1.0; ROWS],
            dimension: 1,
            ..Rows::default()
        };
        Catalog::new(rows, String::new(), None, Kernel::fastest()).unwrap()
    }

    fn job(fields: &str) -> SearchJob {
        let body = format!(r#"{{"request_id":"r","vector":[1],{fields}}}"#);
        nearline_contract::receive(&body).unwrap().job.unwrap()
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_that_the_catalog_has() {
        let rows = Rows {
            product_ids: ["SKU-1", "42", "caf\u{e9}-1"].map(String::from).to_vec(),
            categories: ["audio", "Home & Garden", "phones"].map(String::from).to_vec(),
            titles: vec![None; 3],
            vectors: vec![1.0; 3],
            dimension: 1,
            ..Rows::default()
        };
        let catalog = Catalog::new(rows, String::new(), None, Kernel::fastest()).unwrap();
        let message = |fields: &str| {
            let body = format!(r#"{{"request_id":"r",{fields}}}"#);
            let job = nearline_contract::receive(&body).unwrap().job.unwrap();
            Plan::new(&catalog, &job, OffsetDateTime::UNIX_EPOCH).unwrap_err().message
        };
        let category = |name: &str| message(&format!(r#""vector":[1],"categories":["{name}"]"#));
        let product = |id: &str| message(&format!(r#""product_id":"{id}""#));
        let same = "(they differ only in case, blanks or Unicode form)";
        assert_eq!(category("Audio"), format!("the catalog has no category `Audio`, did you mean `audio`? {same}"));
        assert_eq!(category("adio"), "the catalog has no category `adio`, did you mean `audio`?");
        assert_eq!(category("toys"), "the catalog has no category `toys`");
        assert!(category(" home  &\u{a0}garden").ends_with(&format!("did you mean `Home & Garden`? {same}")));
        assert_eq!(product("sku-1"), format!("the catalog has no product `sku-1`, did you mean `SKU-1`? {same}"));
        assert_eq!(product("42.0"), "the catalog has no product `42.0`, did you mean `42`?");
        assert!(product("cafe\u{301}-1").ends_with(same));
        assert_eq!(product("sku-2"), "the catalog has no product `sku-2`");
    }

    #[test]
    fn more_matches_than_a_record_holds_are_refused_before_the_scan_where_they_are_sure() {
        let catalog = catalog();
        let now = OffsetDateTime::UNIX_EPOCH;
        let refused = |fields: &str| Plan::new(&catalog, &job(fields), now).map_err(|error| error.code).err();
        assert_eq!(refused(r#""top_k":1000"#), Some(ErrorCode::ResultTooLarge));
        assert_eq!(refused(r#""top_k":1000,"min_score":-1"#), Some(ErrorCode::ResultTooLarge), "no score is below it");
        assert_eq!(refused(r#""top_k":990"#), None, "99,990 matches");
        assert_eq!(refused(r#""top_k":1000,"group_by":"none""#), None);
        assert_eq!(refused(r#""top_k":1000,"categories":["1","2"]"#), None);
        assert_eq!(refused(r#""top_k":1000,"min_score":1"#), None, "only the scan can tell");
        let attributes = (0..99).map(|number| format!("a{number}")).map(|name| (name, 0)).collect();
        let returned = Returned { title: false, attributes };
        assert!(check_matches(5_000, &returned).is_ok());
        let message = check_matches(5_001, &returned).unwrap_err().message;
        assert!(message.starts_with("the result has 5001 matches with 99 attributes, 500100 in all"), "{message}");
        let job = job(r#""top_k":1000,"min_score":1"#);
        let (plan, _) = Plan::new(&catalog, &job, now).unwrap();
        let ranking = &catalog.index().search(&[plan.query(&[1.0])]).unwrap()[0];
        assert_eq!(groups(&catalog, ranking, &Returned::default()).unwrap_err().code, ErrorCode::ResultTooLarge);
    }
}
