//! Pages of results, as they are written.

use serde_json::{Value, json};

use super::*;

fn groups(value: Value) -> Vec<Group> {
    serde_json::from_value(value).unwrap()
}

fn page_of(results: &[Group]) -> String {
    page(&[Answer { title: "mug".into(), facts: Vec::new(), results: Some(results), error: None }])
}

#[test]
fn whatever_a_catalog_contains_is_escaped() {
    let evil = "\"><script>alert(1)</script><img src=x onerror='x'>&";
    let results = groups(json!([{"category": evil, "matches": [{"product_id": evil, "score": 0.5, "title": evil,
        "attributes": {evil: evil, "tags": [evil, "b"], "image": format!("https://x/{evil}").replace(' ', ""),
            "link": "javascript:alert(1)"}}]}]));
    let error = RecordError { code: evil.to_owned().into(), message: evil.into(), retryable: true };
    let facts = vec![(evil.to_owned(), evil.to_owned())];
    let page = page(&[
        Answer { title: evil.into(), facts, results: Some(&results), error: None },
        Answer { title: evil.into(), facts: Vec::new(), results: None, error: Some(&error) },
    ]);
    assert_eq!((page.matches("<script>").count(), page.matches("<img").count()), (1, 0), "{page}");
    assert!(!page.contains("onerror='x'>&\"") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("href=\"javascript"), "only http and https are links");
    assert!(page.contains("1 answered, 1 rejected") && page.contains("Another catalog could answer"), "{page}");
}

#[test]
fn nothing_is_loaded_until_a_reader_asks_for_an_image() {
    let results = groups(json!([{"category": "mugs", "matches": [{"product_id": "p", "score": 0.5, "attributes": {
        "photo": "https://cdn.example/1", "views": ["http://a.example/2.PNG?w=3", "https://b.example/about"],
        "note": "see https://c.example"}}]}]));
    let page = page_of(&results);
    // What a browser loads by itself stands in one of these.
    for loading in [" src=", "srcset", "<link", "<iframe", "<object", "@import", "url(", "poster="] {
        assert!(!page.contains(loading), "{loading} in {page}");
    }
    assert_eq!(page.matches("data-image=\"").count(), 2, "{page}");
    assert!(page.contains("Show 2 images") && page.contains("from a.example, cdn.example."), "{page}");
    assert_eq!(page.matches("<a href=\"http").count(), 3, "a text that only mentions an address is no link");
    assert!(page.contains("default-src 'none'") && SCRIPT.contains("referrerPolicy = \"no-referrer\""));
    let plain = groups(json!([{"matches": [{"product_id": "p", "score": 0.5}]}]));
    assert!(!page_of(&plain).contains("id=\"images\""));
}

#[test]
fn bars_run_from_zero_to_the_score_on_either_side() {
    for (scores, bars) in [
        (&[0.5, 0.25][..], &[(0.0, 100.0), (0.0, 50.0)][..]),
        (&[0.6, -0.2], &[(25.0, 75.0), (0.0, 25.0)]),
        (&[-0.1, -0.4], &[(75.0, 25.0), (0.0, 100.0)]),
        (&[0.0], &[(0.0, 0.0)]),
    ] {
        let matches: Vec<Value> = scores.iter().map(|score| json!({"product_id": "p", "score": score})).collect();
        let scale = Scale::of(&groups(json!([{"matches": matches}])));
        for (score, (left, width)) in scores.iter().zip(bars) {
            let bar = scale.bar(*score);
            assert!((bar.0 - left).abs() < 0.01 && (bar.1 - width).abs() < 0.01, "{score} of {scores:?}: {bar:?}");
        }
    }
    let below = page_of(&groups(json!([{"matches": [{"product_id": "p", "score": -0.5}]}])));
    assert!(below.contains("class=\"below\" style=\"left:0.00%;width:100.00%\""), "{below}");
}

#[test]
fn a_category_without_matches_is_shown_as_one() {
    let some = groups(json!([{"category": "tea", "matches": [{"product_id": "p", "score": 1}]},
        {"category": "mugs", "matches": []}]));
    let page = page_of(&some);
    assert!(page.contains("mugs<span>0 matches</span>") && page.contains("tea<span>1 match</span>"), "{page}");
    for none in [groups(json!([])), groups(json!([{"category": "mugs", "matches": []}]))] {
        let page = page_of(&none);
        assert!(page.contains("No product matches.") && !page.contains("Bars run"), "{page}");
    }
}
