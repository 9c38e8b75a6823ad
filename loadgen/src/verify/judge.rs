//! Whether a record is one that its job can have.
//!
//! The hash says whose record it is. Status and code follow from the job alone where the job breaks a rule; the rest
//! follows from the catalog: exactly what its figures say if they are given, otherwise what any catalog could answer.

use std::collections::HashSet;
use std::sync::Arc;

use nearline_contract::filter::Test;
use nearline_contract::{
    ErrorCode, Filter, Group, GroupBy, Match, ReceivedJob, RecordCode, Refusal, ResultRecord, SearchJob, Status,
    Target, clip, receive,
};

use super::catalog::{CatalogInfo, attributes_named, conditions};
use super::filter::can_pass;
use super::records::Read;
use crate::account::{Unchecked, Verdict};
use crate::jobs::{Jobs, NO_ATTRIBUTE, is_padding};

/// What a record is worth, and what of it was not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub verdict: Verdict,
    pub unchecked: Unchecked,
}

/// Judges the records of one run.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    jobs: Arc<Jobs>,
    catalog: Option<CatalogInfo>,
}

impl Judge {
    /// With the figures of the catalog that is expected to answer, if they are known.
    pub(crate) fn new(jobs: Arc<Jobs>, catalog: Option<CatalogInfo>) -> Self {
        Self { jobs, catalog }
    }

    pub(crate) fn request_id(&self, id_index: u64) -> String {
        self.jobs.request_id(id_index)
    }

    /// Whether what was read is a record that request id number `id_index` can have.
    pub(crate) fn judge(&self, id_index: u64, read: &Read) -> Judged {
        let wrong = |reason| Judged { verdict: Verdict::Wrong(reason), unchecked: Unchecked::default() };
        let record = match read {
            Ok(record) => record,
            Err(reason) => return wrong(reason.clone()),
        };
        let received = match self.owner(id_index, &record.job_sha256) {
            Ok(received) => received,
            Err(reason) => return wrong(reason),
        };
        // Figures of another catalog say nothing about this record.
        let catalog = self.catalog.as_ref().filter(|catalog| record.catalog_version == catalog.version);
        let verdict = judge_job(&received, record, catalog);
        let unchecked = received.job.map_or_else(|_| Unchecked::default(), |job| unchecked(&job, &verdict, catalog));
        Judged { verdict, unchecked }
    }

    /// The job of this hash: the id's own, or one that competed with it for the id and came first.
    fn owner(&self, id_index: u64, hash: &str) -> Result<ReceivedJob, String> {
        let own = receive(&self.jobs.job(id_index))
            .map_err(|error| format!("a record for a job that can have none: {error}"))?;
        if own.sha256 == hash {
            return Ok(own);
        }
        let mut competing = self.jobs.conflicts(id_index).filter_map(|body| receive(&body).ok());
        let found = competing.find(|received| received.sha256 == hash);
        found.ok_or_else(|| format!("job_sha256 is {hash} instead of {}", own.sha256))
    }
}

fn judge_job(received: &ReceivedJob, record: &ResultRecord, catalog: Option<&CatalogInfo>) -> Verdict {
    if let (Ok(job), Status::Succeeded) = (&received.job, record.status) {
        let refused = catalog.and_then(|catalog| catalog.refuses(job));
        let refused = refused.or_else(|| names_no_attribute(job).then_some(ErrorCode::UnknownAttribute));
        if let Some(code) = refused {
            return Verdict::Wrong(format!("SUCCEEDED for a job that the catalog must reject as {code}"));
        }
        return match check_results(job, record.results.as_deref(), catalog) {
            Ok(()) => Verdict::Succeeded,
            Err(reason) => Verdict::Wrong(reason),
        };
    }
    let code = record.error.as_ref().map(|error| &error.code);
    if let (Status::Rejected, Some(RecordCode::Known(code))) = (record.status, code) {
        let justified = match &received.job {
            Ok(job) => may_reject(job, *code, catalog),
            Err(Refusal::Invalid(error)) => error.code == *code,
            Err(Refusal::NewerVersion(_)) => false,
        };
        if justified {
            return Verdict::Rejected { replaceable: code.retryable() };
        }
    }
    let found = [record.status.as_str(), code.map_or("", RecordCode::as_str)].join(" ");
    let expected = match &received.job {
        Ok(_) => "a valid job".to_owned(),
        Err(Refusal::Invalid(error)) => format!("a job that is {}", error.code),
        Err(Refusal::NewerVersion(version)) => format!("a job of version {version}"),
    };
    Verdict::Wrong(format!("{} for {expected}", found.trim_end()))
}

/// Whether a job names the attribute that no catalog has.
fn names_no_attribute(job: &SearchJob) -> bool {
    attributes_named(job).any(|name| name == NO_ATTRIBUTE)
}

fn unchecked(job: &SearchJob, verdict: &Verdict, catalog: Option<&CatalogInfo>) -> Unchecked {
    let unknown = catalog.is_none_or(|catalog| catalog.attributes.is_none());
    let named = attributes_named(job).next().is_some() && !names_no_attribute(job);
    Unchecked {
        counts: job.filter.is_some() && *verdict == Verdict::Succeeded,
        attributes: unknown && named && !matches!(verdict, Verdict::Wrong(_)),
    }
}

/// Whether a job that is valid by itself can be rejected with `code` for what the catalog or the clock says.
fn may_reject(job: &SearchJob, code: ErrorCode, catalog: Option<&CatalogInfo>) -> bool {
    if let Some(rejects) = catalog.and_then(|catalog| catalog.rejects(job, code)) {
        return rejects;
    }
    match code {
        ErrorCode::UnknownCategory => job.categories.is_some(),
        ErrorCode::UnknownProduct => matches!(job.target, Target::ProductId(_)),
        ErrorCode::DimensionMismatch => matches!(job.target, Target::Vector(_)),
        ErrorCode::MissingField | ErrorCode::TextRefused => matches!(job.target, Target::Query(_)),
        ErrorCode::UnknownAttribute => attributes_named(job).next().is_some(),
        ErrorCode::InvalidFilter => conditions(job).iter().any(|condition| !matches!(condition.test, Test::Exists(_))),
        ErrorCode::Expired => job.not_after.is_some(),
        ErrorCode::ResultTooLarge => true,
        ErrorCode::InvalidJson
        | ErrorCode::InvalidRequestId
        | ErrorCode::UnknownField
        | ErrorCode::ConflictingFields
        | ErrorCode::OutOfRange
        | ErrorCode::InvalidVector
        | ErrorCode::RequestIdConflict
        | ErrorCode::AttemptsExhausted => false,
    }
}

fn check_results(job: &SearchJob, results: Option<&[Group]>, catalog: Option<&CatalogInfo>) -> Result<(), String> {
    let groups = results.ok_or("SUCCEEDED without results")?;
    match job.group_by {
        GroupBy::Category => check_categories(job, groups, catalog)?,
        GroupBy::None => check_single_group(job, groups, catalog)?,
    }
    let mut seen = HashSet::new();
    let filter = job
        .filter
        .as_ref()
        .filter(|_| conditions(job).iter().all(|condition| job.return_attributes.contains(&condition.attribute)));
    for found in groups.iter().flat_map(|group| &group.matches) {
        check_match(job, found, &mut seen)?;
        check_attributes(job, found, filter, catalog)?;
    }
    groups.iter().try_for_each(check_order)
}

/// One group for each category that was asked for, in the catalog's order, each with as many matches as it can have.
fn check_categories(job: &SearchJob, groups: &[Group], catalog: Option<&CatalogInfo>) -> Result<(), String> {
    let found: Vec<&str> = groups.iter().map(|group| group.category.as_deref().unwrap_or_default()).collect();
    let distinct: HashSet<&str> = found.iter().copied().collect();
    if distinct.len() < found.len() || distinct.contains("") {
        return Err(format!("the groups are {found:?}, not one for each category"));
    }
    let asked = job.categories.as_ref().map(|names| names.iter().map(String::as_str).collect::<HashSet<&str>>());
    if let Some(catalog) = catalog {
        let names = catalog.categories.iter().map(|category| category.name.as_str());
        let expected: Vec<&str> =
            names.filter(|name| asked.as_ref().is_none_or(|asked| asked.contains(name))).collect();
        if found != expected {
            return Err(format!("the groups are {found:?} instead of {expected:?}"));
        }
    } else if let Some(asked) = asked.filter(|asked| *asked != distinct) {
        return Err(format!("the groups are {found:?}, asked for were {asked:?}"));
    }
    for (group, name) in groups.iter().zip(found) {
        let rows = catalog.and_then(|catalog| catalog.rows(name));
        check_count(job, group, rows).map_err(|reason| format!("category `{name}` has {reason}"))?;
        if group.matches.iter().any(|found| found.category.is_some()) {
            return Err(format!("matches of the group `{name}` name their own category"));
        }
    }
    Ok(())
}

/// One group without a name, whose matches say where they come from.
fn check_single_group(job: &SearchJob, groups: &[Group], catalog: Option<&CatalogInfo>) -> Result<(), String> {
    let [group @ Group { category: None, .. }] = groups else {
        return Err(format!("{} groups or a named one, instead of one for all categories", groups.len()));
    };
    let rows = catalog.map(|catalog| match &job.categories {
        Some(categories) => categories.iter().filter_map(|category| catalog.rows(category)).sum(),
        None => catalog.categories.iter().map(|category| category.rows).sum(),
    });
    check_count(job, group, rows).map_err(|reason| format!("the record has {reason}"))?;
    for found in &group.matches {
        let category = found.category.as_deref().unwrap_or_default();
        let asked = job.categories.as_ref().is_none_or(|asked| asked.iter().any(|name| name == category));
        let known = catalog.is_none_or(|catalog| catalog.rows(category).is_some());
        if !asked || !known || category.is_empty() {
            return Err(format!("`{}` is in category `{category}`, which cannot be", found.product_id));
        }
    }
    Ok(())
}

/// Whether a group over `rows` products has as many matches as it must; unknown rows can be any number.
fn check_count(job: &SearchJob, group: &Group, rows: Option<u64>) -> Result<(), String> {
    let (found, top_k) = (group.matches.len() as u64, u64::from(job.top_k));
    let most = rows.unwrap_or(u64::MAX).min(top_k);
    // Whether an excluded product is among these rows is not known, nor how many reach a least score or pass a filter.
    let products = job.exclude.iter().filter(|id| !is_padding(id)).count() as u64;
    let excluded = products + u64::from(matches!(job.target, Target::ProductId(_)));
    let least = match rows {
        Some(rows) if job.min_score.is_none() && job.filter.is_none() => rows.saturating_sub(excluded).min(top_k),
        _ => 0,
    };
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let expected = if least == most { most.to_string() } else { format!("{least} to {most}") };
    Err(format!("{found} {} instead of {expected}", if found == 1 { "match" } else { "matches" }))
}

fn check_match<'a>(job: &SearchJob, found: &'a Match, seen: &mut HashSet<&'a str>) -> Result<(), String> {
    let (id, score) = (&found.product_id, found.score);
    if !seen.insert(id) {
        return Err(format!("`{id}` matches twice"));
    }
    if !(-1.0..=1.0).contains(&score) {
        return Err(format!("`{id}` has the score {score}"));
    }
    if let Some(least) = job.min_score.filter(|least| score < *least) {
        return Err(format!("`{id}` has the score {score}, below min_score {least}"));
    }
    if job.exclude.contains(id) || matches!(&job.target, Target::ProductId(own) if own == id) {
        return Err(format!("`{id}` matches, which was excluded"));
    }
    if found.title.is_some() && !job.return_title {
        return Err(format!("`{id}` has a title that was not asked for"));
    }
    Ok(())
}

/// `filter` is the job's if all the attributes that it names are to be returned.
fn check_attributes(
    job: &SearchJob,
    found: &Match,
    filter: Option<&Filter>,
    catalog: Option<&CatalogInfo>,
) -> Result<(), String> {
    let Match { product_id: id, attributes, .. } = found;
    if let Some(name) = attributes.keys().find(|name| !job.return_attributes.contains(name)) {
        return Err(format!("`{id}` has the attribute `{name}`, which was not asked for"));
    }
    if filter.is_some_and(|filter| !can_pass(filter, attributes, catalog)) {
        let shown = serde_json::to_string(attributes).unwrap_or_default();
        return Err(format!("`{id}` matches, which does not pass the filter: it has {}", clip(&shown)));
    }
    Ok(())
}

fn check_order(group: &Group) -> Result<(), String> {
    match group.matches.windows(2).find(|pair| pair[0].score < pair[1].score) {
        Some(pair) => {
            Err(format!("`{}` comes before `{}`, which scores higher", pair[0].product_id, pair[1].product_id))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
