//! Records that are right, and each way to be wrong.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::catalog::Category;
use super::*;
use crate::jobs::{Choice, Kind, Shape, Source};

fn jobs(text: &str) -> Arc<Jobs> {
    Arc::new(Jobs::new("run".into(), Source::from_lines(text).unwrap(), Shape::plain(0, Choice::InTurn)))
}

fn judge(text: &str) -> Judge {
    Judge::new(jobs(text), None)
}

impl Judge {
    fn verdict(&self, id_index: u64, record: &ResultRecord) -> Verdict {
        self.judge(id_index, &Ok(record.clone())).verdict
    }
}

fn info() -> CatalogInfo {
    let category = |(name, rows): (&str, u64)| Category { name: name.into(), rows };
    CatalogInfo {
        version: "v1".into(),
        dimension: 2,
        model_id: None,
        categories: [("tea", 3), ("mugs", 9)].map(category).into(),
        attributes: None,
    }
}

fn found(id: &str, score: f32) -> Match {
    Match { product_id: id.into(), score, category: None, title: None, attributes: BTreeMap::new() }
}

fn group(name: &str, scores: &[f32]) -> Group {
    let matches = scores.iter().enumerate().map(|(rank, score)| found(&format!("{name}-{rank}"), *score));
    Group { category: Some(name.into()), matches: matches.collect() }
}

fn succeeded(judge: &Judge, index: u64, groups: Vec<Group>) -> ResultRecord {
    ResultRecord { results: Some(groups), ..record(judge, index, None) }
}

/// REJECTED with `code`, or SUCCEEDED without results.
fn record(judge: &Judge, index: u64, code: Option<&str>) -> ResultRecord {
    let error = code.map(|code| json!({"code": code, "message": "because", "retryable": false}));
    serde_json::from_value(json!({
        "request_id": "r", "format_version": 1, "status": if code.is_some() { "REJECTED" } else { "SUCCEEDED" },
        "job_sha256": receive(&judge.jobs.job(index)).unwrap().sha256, "error": error, "catalog_version": "v1",
        "created_at": "2026-11-27T12:00:00Z", "expires_at": 1_800_000_000,
    }))
    .unwrap()
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
    assert_eq!(judge.verdict(3, &right), Verdict::Succeeded);
    wrong(judge.verdict(4, &right), "job_sha256 is");
    wrong(judge.judge(3, &Err("not a record: status is missing".into())).verdict, "not a record");
}

#[test]
fn an_invalid_job_is_rejected_with_its_own_code() {
    let judge = judge(r#"{"query":"a","top_k":0}"#);
    let rejected = record(&judge, 0, Some("out_of_range"));
    assert_eq!(judge.verdict(0, &rejected), Verdict::Rejected { replaceable: false });
    for code in [None, Some("unknown_field"), Some("of_a_newer_release")] {
        wrong(judge.verdict(0, &record(&judge, 0, code)), "for a job that is out_of_range");
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
        let verdict = judge.verdict(index, &record(&judge, index, Some(code)));
        assert_eq!(matches!(verdict, Verdict::Rejected { .. }), right, "{index} {code}: {verdict:?}");
    }
    // With the catalog's figures it is known that it has the category, but no model.
    let exact = Judge { catalog: Some(info()), ..judge };
    let verdict = |index, code| exact.verdict(index, &record(&exact, index, Some(code)));
    wrong(verdict(1, "unknown_category"), "REJECTED unknown_category for a valid job");
    assert_eq!(verdict(1, "missing_field"), Verdict::Rejected { replaceable: false });
    assert_eq!(verdict(2, "dimension_mismatch"), Verdict::Rejected { replaceable: true });
    wrong(exact.verdict(1, &succeeded(&exact, 1, vec![])), "must reject as missing_field");
    wrong(exact.verdict(2, &succeeded(&exact, 2, vec![])), "must reject as dimension_mismatch");
}

#[test]
fn each_fault_of_the_results_is_named() {
    let judge = judge(
        r#"{"query":"a","top_k":2,"categories":["mugs","tea"],"min_score":0.1,"exclude":["mugs-1"],"return":[]}"#,
    );
    let right = vec![group("tea", &[0.5, 0.25]), group("mugs", &[0.5])];
    assert_eq!(judge.verdict(0, &succeeded(&judge, 0, right.clone())), Verdict::Succeeded);
    let with = |change: &dyn Fn(&mut Vec<Group>)| {
        let mut groups = right.clone();
        change(&mut groups);
        judge.verdict(0, &succeeded(&judge, 0, groups))
    };
    wrong(with(&|groups| groups[0] = group("tea", &[0.5, 0.4, 0.3])), "category `tea` has 3 matches instead of 0 to 2");
    wrong(with(&|groups| groups[0] = group("tea", &[0.25, 0.5])), "`tea-0` comes before `tea-1`");
    wrong(with(&|groups| groups[0] = group("tea", &[0.5, 0.05])), "below min_score 0.1");
    wrong(with(&|groups| groups[0] = group("tea", &[1.5])), "has the score 1.5");
    wrong(with(&|groups| groups[1] = group("mugs", &[0.5, 0.4])), "`mugs-1` matches, which was excluded");
    wrong(with(&|groups| groups[0].matches[1].product_id = "tea-0".into()), "`tea-0` matches twice");
    wrong(with(&|groups| groups[0].matches[1].title = Some("Assam".into())), "has a title that was not asked for");
    wrong(with(&|groups| groups[0].matches[1].category = Some("tea".into())), "name their own category");
    wrong(with(&|groups| groups.truncate(1)), "asked for were");
    wrong(with(&|groups| groups[1] = groups[0].clone()), "not one for each category");
    wrong(judge.verdict(0, &record(&judge, 0, None)), "without results");
}

#[test]
fn the_catalogs_figures_say_how_many_matches_there_must_be() {
    let text = "{\"query\":\"a\"}\n{\"query\":\"a\",\"exclude\":[\"x\"]}\n{\"query\":\"a\",\"group_by\":\"none\",\"top_k\":20}";
    let judge = Judge::new(jobs(text), Some(CatalogInfo { model_id: Some("m".into()), ..info() }));
    let verdict = |index, groups| judge.verdict(index, &succeeded(&judge, index, groups));
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
    let other = ResultRecord { catalog_version: "v2".into(), ..succeeded(&judge, 0, vec![tea]) };
    assert_eq!(judge.verdict(0, &other), Verdict::Succeeded);
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
    let record = ResultRecord { job_sha256: sha256, ..succeeded(&judge, with, vec![]) };
    assert_eq!(judge.verdict(with, &record), Verdict::Succeeded);
    wrong(judge.verdict(with + 1, &record), "job_sha256 is");
}

/// The figures of a catalog with two attributes.
fn with_attributes() -> CatalogInfo {
    let attribute = |name, kind, compares_with| json!({"name": name, "type": kind, "compares_with": compares_with});
    let attributes = json!([attribute("brand", "string", "string"), attribute("price", "float", "number")]);
    CatalogInfo { model_id: Some("m".into()), attributes: serde_json::from_value(attributes).unwrap(), ..info() }
}

#[test]
fn a_filter_is_rejected_for_what_the_catalog_lacks_and_only_for_that() {
    let filters = [
        (r#"{"brand":"x","price":{"$lt":5}}"#, None),
        (r#"{"brand":{"$in":["x",5]}}"#, Some("invalid_filter")),
        (r#"{"$or":[{"brand":"x"},{"brand":{"$gt":5}}]}"#, Some("invalid_filter")),
        (r#"{"price":true}"#, Some("invalid_filter")),
        (r#"{"price":{"$exists":false}}"#, None),
        (r#"{"prise":{"$lt":5}}"#, Some("unknown_attribute")),
        (r#"{"title":"x"}"#, Some("unknown_attribute")),
    ];
    let lines = filters.map(|(filter, _)| format!(r#"{{"query":"a","filter":{filter}}}"#));
    let text = format!("{}\n{}", lines.join("\n"), r#"{"query":"a","return":["title","prise"]}"#);
    let expected = filters.into_iter().map(|(_, code)| code).chain([Some("unknown_attribute")]);
    let judge = Judge::new(jobs(&text), Some(with_attributes()));
    let empty = vec![group("tea", &[]), group("mugs", &[])];
    for (index, expected) in (0..).zip(expected) {
        let answered = judge.judge(index, &Ok(succeeded(&judge, index, empty.clone())));
        for code in ["invalid_filter", "unknown_attribute"] {
            let rejected = judge.verdict(index, &record(&judge, index, Some(code)));
            let replaceable = code == "unknown_attribute";
            if expected == Some(code) {
                assert_eq!(rejected, Verdict::Rejected { replaceable }, "{index} {code}");
                wrong(answered.verdict.clone(), &format!("must reject as {code}"));
            } else {
                wrong(rejected, &format!("REJECTED {code} for a valid job"));
            }
        }
        if expected.is_none() {
            let unchecked = Unchecked { counts: true, attributes: false };
            assert_eq!(answered, Judged { verdict: Verdict::Succeeded, unchecked }, "{index}");
        }
    }
}

#[test]
fn without_the_catalogs_attributes_either_answer_is_right_and_counted() {
    let text = r#"{"query":"a","filter":{"price":{"$lt":5}},"categories":["tea"]}
        {"query":"a","filter":{"price":{"$exists":true}}}
        {"query":"a","return":["price"]}
        {"query":"a"}"#;
    let either = Unchecked { counts: false, attributes: true };
    for catalog in [None, Some(CatalogInfo { model_id: Some("m".into()), ..info() })] {
        let judge = Judge::new(jobs(text), catalog);
        let rejected = |index, code| judge.judge(index, &Ok(record(&judge, index, Some(code))));
        for (index, code) in
            [(0, "unknown_attribute"), (0, "invalid_filter"), (1, "unknown_attribute"), (2, "unknown_attribute")]
        {
            let judged = rejected(index, code);
            assert!(matches!(judged.verdict, Verdict::Rejected { .. }), "{index} {code}: {judged:?}");
            assert_eq!(judged.unchecked, either);
        }
        for (index, code) in [(1, "invalid_filter"), (2, "invalid_filter"), (3, "unknown_attribute")] {
            wrong(rejected(index, code).verdict, "for a valid job");
        }
        let answered = judge.judge(0, &Ok(succeeded(&judge, 0, vec![group("tea", &[0.5])])));
        let unchecked = Unchecked { counts: true, attributes: true };
        assert_eq!(answered, Judged { verdict: Verdict::Succeeded, unchecked }, "one match of three may be right");
    }
}

#[test]
fn an_attribute_that_no_catalog_has_must_be_rejected_whether_or_not_the_catalog_is_known() {
    let shape = Shape { invalid: 1.0, ..Shape::plain(0, Choice::InTurn) };
    let jobs = Arc::new(Jobs::new("run".into(), Source::Phrases, shape));
    let judge = Judge::new(jobs.clone(), None);
    let index = (0..20).find(|index| receive(&jobs.job(*index)).unwrap().job.is_ok()).unwrap();
    wrong(judge.verdict(index, &succeeded(&judge, index, vec![])), "must reject as unknown_attribute");
    let rejected = judge.judge(index, &Ok(record(&judge, index, Some("unknown_attribute"))));
    let verdict = Verdict::Rejected { replaceable: true };
    assert_eq!(rejected, Judged { verdict, unchecked: Unchecked::default() });
}

#[test]
fn a_match_has_only_attributes_that_were_asked_for_and_passes_the_filter() {
    let text = r#"{"query":"a","group_by":"none","filter":{"brand":"x","price":{"$lt":5}},"return":["brand","price"]}
        {"query":"a","group_by":"none","filter":{"brand":"x","price":{"$lt":5}},"return":["brand"]}"#;
    for catalog in [None, Some(with_attributes())] {
        let judge = Judge::new(jobs(text), catalog);
        let verdict = |index, attributes: Value| {
            let attributes = serde_json::from_value(attributes).unwrap();
            let found = Match { category: Some("tea".into()), attributes, ..found("p", 0.5) };
            judge.verdict(index, &succeeded(&judge, index, vec![Group { category: None, matches: vec![found] }]))
        };
        assert_eq!(verdict(0, json!({"brand": "x", "price": 4.99})), Verdict::Succeeded);
        wrong(
            verdict(0, json!({"brand": "x", "price": 5})),
            r#"does not pass the filter: it has {"brand":"x","price":5}"#,
        );
        wrong(verdict(0, json!({"brand": "x"})), "does not pass the filter");
        wrong(verdict(0, json!({"brand": "x", "price": 1, "sku": 7})), "`p` has the attribute `sku`, which was not");
        assert_eq!(verdict(1, json!({"brand": "y"})), Verdict::Succeeded, "what was not returned is not known");
        wrong(verdict(1, json!({"brand": "x", "price": 1})), "has the attribute `price`");
    }
}
