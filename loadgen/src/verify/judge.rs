//! Whether a record is one that its job can have.
//!
//! The hash says whose record it is. Status and code follow from the job alone where the job breaks a rule; the rest
//! follows from the catalog: exactly what its figures say if they are given, otherwise what any catalog could answer.

use std::collections::HashSet;
use std::sync::Arc;

use nearline_contract::{ErrorCode, Group, GroupBy, Match, ReceivedJob, Refusal, SearchJob, Status, Target, receive};

use super::catalog::CatalogInfo;
use crate::jobs::{Jobs, is_padding};

/// The parts of a record that are checked; absent or of the wrong type is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Record {
    pub status: Option<String>,
    pub job_sha256: Option<String>,
    pub error_code: Option<String>,
    pub catalog_version: Option<String>,
    pub created_at: Option<String>,
    pub results: Results,
}

/// The results of a record, wherever they stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Results {
    /// There are none.
    #[default]
    Absent,
    /// As they were read.
    Groups(Vec<Group>),
    /// They are not what the contract says; why.
    Broken(String),
}

/// What a record says about its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right, and answered.
    Succeeded,
    /// Right, and rejected.
    Rejected {
        /// Whether a later run of the same job may replace it.
        replaceable: bool,
    },
    /// Not a record that this job can have; the reason.
    Wrong(String),
}

/// Largest score: rounding can take a cosine slightly beyond 1.
const SCORE_MAX: f32 = 1.000_001;

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

    /// Whether `record` is one that request id number `id_index` can have.
    pub(crate) fn judge(&self, id_index: u64, record: &Record) -> Verdict {
        match self.owner(id_index, record) {
            Ok(received) => self.judge_job(&received, record),
            Err(reason) => Verdict::Wrong(reason),
        }
    }

    /// The job that the record says it answers: the id's own, or one that competed with it for the id and came first.
    fn owner(&self, id_index: u64, record: &Record) -> Result<ReceivedJob, String> {
        let hash = record.job_sha256.as_deref().unwrap_or("nothing");
        let own = receive(&self.jobs.job(id_index))
            .map_err(|error| format!("a record for a job that can have none: {error}"))?;
        if own.sha256 == hash {
            return Ok(own);
        }
        let mut competing = self.jobs.conflicts(id_index).filter_map(|body| receive(&body).ok());
        let found = competing.find(|received| received.sha256 == hash);
        found.ok_or_else(|| format!("job_sha256 is {hash} instead of {}", own.sha256))
    }

    fn judge_job(&self, received: &ReceivedJob, record: &Record) -> Verdict {
        // Figures of another catalog say nothing about this record.
        let catalog = self.catalog.as_ref().filter(|catalog| record.catalog_version.as_ref() == Some(&catalog.version));
        let status = record.status.as_deref();
        if let Ok(job) = &received.job
            && status == Some(Status::Succeeded.as_str())
        {
            let refused = catalog.and_then(|catalog| catalog.refuses(job));
            if let Some(code) = refused {
                return Verdict::Wrong(format!("SUCCEEDED for a job that the catalog must reject as {code}"));
            }
            return match check_results(job, &record.results, catalog) {
                Ok(()) => Verdict::Succeeded,
                Err(reason) => Verdict::Wrong(reason),
            };
        }
        let code: Option<ErrorCode> = record.error_code.as_deref().and_then(|code| code.parse().ok());
        let justified = |code| match &received.job {
            Ok(job) => may_reject(job, code, catalog),
            Err(Refusal::Invalid(error)) => error.code == code,
            Err(Refusal::NewerVersion(_)) => false,
        };
        if let Some(code) = code.filter(|code| status == Some(Status::Rejected.as_str()) && justified(*code)) {
            return Verdict::Rejected { replaceable: code.retryable() };
        }
        let found = [status.unwrap_or("no status"), record.error_code.as_deref().unwrap_or_default()].join(" ");
        let expected = match &received.job {
            Ok(_) => "a valid job".to_owned(),
            Err(Refusal::Invalid(error)) => format!("a job that is {}", error.code),
            Err(Refusal::NewerVersion(version)) => format!("a job of version {version}"),
        };
        Verdict::Wrong(format!("{} for {expected}", found.trim_end()))
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
        ErrorCode::MissingField => matches!(job.target, Target::Query(_)),
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

fn check_results(job: &SearchJob, results: &Results, catalog: Option<&CatalogInfo>) -> Result<(), String> {
    let groups = match results {
        Results::Groups(groups) => groups,
        Results::Absent => return Err("SUCCEEDED without results".to_owned()),
        Results::Broken(reason) => return Err(reason.clone()),
    };
    match job.group_by {
        GroupBy::Category => check_categories(job, groups, catalog)?,
        GroupBy::None => check_single_group(job, groups, catalog)?,
    }
    let mut seen = HashSet::new();
    groups.iter().flat_map(|group| &group.matches).try_for_each(|found| check_match(job, found, &mut seen))?;
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
            return Err(format!("matches of the group `{name}` name a category of their own"));
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
    // Whether an excluded product is among these rows is not known, nor how many reach a least score.
    let products = job.exclude.iter().filter(|id| !is_padding(id)).count() as u64;
    let excluded = products + u64::from(matches!(job.target, Target::ProductId(_)));
    let least = match rows {
        Some(rows) if job.min_score.is_none() => rows.saturating_sub(excluded).min(top_k),
        _ => 0,
    };
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let expected = if least == most { most.to_string() } else { format!("{least} to {most}") };
    Err(format!("{found} matches instead of {expected}"))
}

fn check_match<'a>(job: &SearchJob, found: &'a Match, seen: &mut HashSet<&'a str>) -> Result<(), String> {
    let (id, score) = (&found.product_id, found.score);
    if !seen.insert(id) {
        return Err(format!("`{id}` matches twice"));
    }
    if !(-SCORE_MAX..=SCORE_MAX).contains(&score) {
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

fn check_order(group: &Group) -> Result<(), String> {
    match group.matches.windows(2).find(|pair| pair[0].score < pair[1].score) {
        Some(pair) => {
            Err(format!("`{}` comes before `{}`, which scores higher", pair[0].product_id, pair[1].product_id))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Category;
    use super::*;
    use crate::jobs::{Choice, Kind, Shape, Source};

    fn jobs(text: &str) -> Arc<Jobs> {
        Arc::new(Jobs::new("run".into(), Source::from_lines(text).unwrap(), Shape::plain(0, Choice::InTurn)))
    }

    fn judge(text: &str) -> Judge {
        Judge::new(jobs(text), None)
    }

    fn info() -> CatalogInfo {
        let category = |(name, rows): (&str, u64)| Category { name: name.into(), rows };
        CatalogInfo {
            version: "v1".into(),
            dimension: 2,
            model_id: None,
            categories: [("tea", 3), ("mugs", 9)].map(category).into(),
        }
    }

    fn found(id: &str, score: f32) -> Match {
        Match { product_id: id.into(), score, category: None, title: None }
    }

    fn group(name: &str, scores: &[f32]) -> Group {
        let matches = scores.iter().enumerate().map(|(rank, score)| found(&format!("{name}-{rank}"), *score));
        Group { category: Some(name.into()), matches: matches.collect() }
    }

    fn succeeded(judge: &Judge, index: u64, groups: Vec<Group>) -> Record {
        Record { results: Results::Groups(groups), ..record(judge, index, "SUCCEEDED", None) }
    }

    fn record(judge: &Judge, index: u64, status: &str, code: Option<&str>) -> Record {
        Record {
            status: Some(status.into()),
            job_sha256: Some(receive(&judge.jobs.job(index)).unwrap().sha256),
            error_code: code.map(Into::into),
            catalog_version: Some("v1".into()),
            created_at: Some("2026-11-27T12:00:00Z".into()),
            results: Results::Absent,
        }
    }

    #[track_caller]
    fn wrong(verdict: Verdict, part: &str) {
        match verdict {
            Verdict::Wrong(reason) => assert!(reason.contains(part), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_is_right_for_its_own_job_only() {
        let judge = judge(r#"{"query":"a"}"#);
        let right = succeeded(&judge, 3, vec![]);
        assert_eq!(judge.judge(3, &right), Verdict::Succeeded);
        wrong(judge.judge(4, &right), "job_sha256 is");
        wrong(judge.judge(3, &Record { status: Some("DONE".into()), ..right }), "DONE for a valid job");
        wrong(judge.judge(3, &Record::default()), "job_sha256 is nothing");
    }

    #[test]
    fn an_invalid_job_is_rejected_with_its_own_code() {
        let judge = judge(r#"{"query":"a","top_k":0}"#);
        let rejected = record(&judge, 0, "REJECTED", Some("out_of_range"));
        assert_eq!(judge.judge(0, &rejected), Verdict::Rejected { replaceable: false });
        for (status, code) in [("SUCCEEDED", None), ("REJECTED", None), ("REJECTED", Some("unknown_field"))] {
            wrong(judge.judge(0, &record(&judge, 0, status, code)), "for a job that is out_of_range");
        }
    }

    #[test]
    fn a_valid_job_is_rejected_only_for_what_the_catalog_can_lack() {
        let text = "{\"product_id\":\"p\"}\n{\"query\":\"a\",\"categories\":[\"tea\"]}\n{\"vector\":[1,2,3]}";
        let judge = judge(text);
        for (index, code, right) in [
            (0, "unknown_product", true),
            (1, "unknown_category", true),
            (1, "missing_field", true),
            (2, "dimension_mismatch", true),
            (0, "unknown_category", false),
            (1, "out_of_range", false),
            (1, "attempts_exhausted", false),
        ] {
            let verdict = judge.judge(index, &record(&judge, index, "REJECTED", Some(code)));
            assert_eq!(matches!(verdict, Verdict::Rejected { .. }), right, "{index} {code}: {verdict:?}");
        }
        // With the catalog's figures it is known that it has the category, but no model.
        let exact = Judge { catalog: Some(info()), ..judge };
        let verdict = |index, code| exact.judge(index, &record(&exact, index, "REJECTED", Some(code)));
        wrong(verdict(1, "unknown_category"), "REJECTED unknown_category for a valid job");
        assert_eq!(verdict(1, "missing_field"), Verdict::Rejected { replaceable: false });
        assert_eq!(verdict(2, "dimension_mismatch"), Verdict::Rejected { replaceable: true });
        wrong(exact.judge(1, &succeeded(&exact, 1, vec![])), "must reject as missing_field");
        wrong(exact.judge(2, &succeeded(&exact, 2, vec![])), "must reject as dimension_mismatch");
    }

    #[test]
    fn each_fault_of_the_results_is_named() {
        let judge = judge(
            r#"{"query":"a","top_k":2,"categories":["mugs","tea"],"min_score":0.1,"exclude":["mugs-1"],"return":[]}"#,
        );
        let right = vec![group("tea", &[0.5, 0.25]), group("mugs", &[0.5])];
        assert_eq!(judge.judge(0, &succeeded(&judge, 0, right.clone())), Verdict::Succeeded);
        let with = |change: &dyn Fn(&mut Vec<Group>)| {
            let mut groups = right.clone();
            change(&mut groups);
            judge.judge(0, &succeeded(&judge, 0, groups))
        };
        wrong(
            with(&|groups| groups[0] = group("tea", &[0.5, 0.4, 0.3])),
            "category `tea` has 3 matches instead of 0 to 2",
        );
        wrong(with(&|groups| groups[0] = group("tea", &[0.25, 0.5])), "`tea-0` comes before `tea-1`");
        wrong(with(&|groups| groups[0] = group("tea", &[0.5, 0.05])), "below min_score 0.1");
        wrong(with(&|groups| groups[0] = group("tea", &[1.5])), "has the score 1.5");
        wrong(with(&|groups| groups[1] = group("mugs", &[0.5, 0.4])), "`mugs-1` matches, which was excluded");
        wrong(with(&|groups| groups[0].matches[1].product_id = "tea-0".into()), "`tea-0` matches twice");
        wrong(with(&|groups| groups[0].matches[1].title = Some("Assam".into())), "has a title that was not asked for");
        wrong(with(&|groups| groups[0].matches[1].category = Some("tea".into())), "name a category of their own");
        wrong(with(&|groups| groups.truncate(1)), "asked for were");
        wrong(with(&|groups| groups[1] = groups[0].clone()), "not one for each category");
        wrong(judge.judge(0, &record(&judge, 0, "SUCCEEDED", None)), "without results");
        let broken = Record { results: Results::Broken("no list".into()), ..record(&judge, 0, "SUCCEEDED", None) };
        wrong(judge.judge(0, &broken), "no list");
    }

    #[test]
    fn the_catalogs_figures_say_how_many_matches_there_must_be() {
        let text = "{\"query\":\"a\"}\n{\"query\":\"a\",\"exclude\":[\"x\"]}\n{\"query\":\"a\",\"group_by\":\"none\",\"top_k\":20}";
        let judge = Judge::new(jobs(text), Some(CatalogInfo { model_id: Some("m".into()), ..info() }));
        let verdict = |index, groups| judge.judge(index, &succeeded(&judge, index, groups));
        let (tea, mugs) = (group("tea", &[0.5; 3]), group("mugs", &[0.5; 5]));
        assert_eq!(verdict(0, vec![tea.clone(), mugs.clone()]), Verdict::Succeeded);
        wrong(verdict(0, vec![mugs.clone(), tea.clone()]), "instead of [\"tea\", \"mugs\"]");
        wrong(verdict(0, vec![group("tea", &[0.5; 2]), mugs.clone()]), "category `tea` has 2 matches instead of 3");
        assert_eq!(verdict(1, vec![group("tea", &[0.5; 2]), mugs.clone()]), Verdict::Succeeded, "one may be excluded");
        let all = |count: usize, category: &str| {
            let one = |rank| Match { category: Some(category.into()), ..found(&format!("p{rank}"), 0.5) };
            vec![Group { category: None, matches: (0..count).map(one).collect() }]
        };
        assert_eq!(verdict(2, all(12, "tea")), Verdict::Succeeded);
        wrong(verdict(2, all(11, "tea")), "the record has 11 matches instead of 12");
        wrong(verdict(2, all(12, "rugs")), "`p0` is in category `rugs`");
        wrong(verdict(2, vec![tea.clone(), mugs]), "instead of one for all categories");
        // Another catalog's record is judged without these figures.
        let other = Record { catalog_version: Some("v2".into()), ..succeeded(&judge, 0, vec![tea]) };
        assert_eq!(judge.judge(0, &other), Verdict::Succeeded);
    }

    #[test]
    fn of_jobs_that_compete_for_an_id_either_may_have_the_record() {
        let shape = Shape { conflicts: 0.2, ..Shape::plain(1, Choice::Uniform) };
        let jobs = Arc::new(Jobs::new("run".into(), Source::Phrases, shape));
        let judge = Judge::new(jobs.clone(), None);
        let conflict = (0..100).map(|index| jobs.planned(index)).find(|message| message.id_index() != message.index);
        let conflict = conflict.unwrap();
        let Kind::Conflict { with } = conflict.kind else { panic!("{conflict:?}") };
        let sha256 = receive(&jobs.body(&conflict)).unwrap().sha256;
        let record = Record { job_sha256: Some(sha256), ..succeeded(&judge, with, vec![]) };
        assert_eq!(judge.judge(with, &record), Verdict::Succeeded);
        wrong(judge.judge(with + 1, &record), "job_sha256 is");
    }
}
