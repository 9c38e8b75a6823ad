//! Results as a page for a browser: one file that loads nothing by itself.
//!
//! Images are other people's servers: the file only holds their addresses, and its script loads one when a reader asks
//! for it. The policy in the page's head keeps anything else from being loaded, whatever a catalog contains.

use std::collections::BTreeSet;
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use nearline_contract::{Attribute, Group, Match, RecordError, ResultRecord};

use super::output::{CliError, plain, print};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src http: https:";
/// A longer table of contents begins closed.
const CONTENTS_OPEN_MAX: usize = 30;
/// Hosts of images that are named; the others are counted.
const HOSTS_MAX: usize = 4;

/// The answer to one job.
pub(super) struct Answer<'a> {
    /// What was searched for; the request id where that is not known.
    pub(super) title: String,
    /// What else there is to know, by name.
    pub(super) facts: Vec<(String, String)>,
    pub(super) results: Option<&'a [Group]>,
    pub(super) error: Option<&'a RecordError>,
}

impl<'a> From<&'a ResultRecord> for Answer<'a> {
    fn from(record: &'a ResultRecord) -> Self {
        let known = [
            ("created", Some(record.created_at.clone())),
            ("catalog", Some(record.catalog_version.clone())),
            ("model", record.model_id.clone()),
            ("query", record.query_truncated.then(|| "its end was cut off by the model".to_owned())),
            ("results in", record.results_uri.clone()),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let metadata = record.metadata.iter().map(|(name, value)| (format!("metadata {name}"), value.clone()));
        Self {
            title: record.request_id.clone(),
            facts: known.chain(metadata).collect(),
            results: record.results.as_deref(),
            error: record.error.as_ref(),
        }
    }
}

/// Writes a page of answers; `-` is standard output.
pub(super) fn write(path: &Path, answers: &[Answer<'_>]) -> Result<(), CliError> {
    let page = page(answers);
    if path.as_os_str() == "-" {
        return print(&page);
    }
    std::fs::write(path, page).map_err(CliError::io(path.display().to_string()))
}

fn page(answers: &[Answer<'_>]) -> String {
    let title = match answers {
        [answer] => answer.title.clone(),
        answers => format!("{} searches", answers.len()),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta http-equiv="x-dns-prefetch-control" content="off";
                meta name="referrer" content="no-referrer";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (summary(answers))
                (images(answers))
                @for (index, answer) in answers.iter().enumerate() { (section(index, answer, answers.len() == 1)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Of several answers: how they ended, and where each stands.
fn summary(answers: &[Answer<'_>]) -> Markup {
    let rejected = answers.iter().filter(|answer| answer.error.is_some()).count();
    html! {
        @if answers.len() != 1 {
            p.muted { (answers.len() - rejected) " answered, " (rejected) " rejected" }
            nav {
                details open[answers.len() <= CONTENTS_OPEN_MAX] {
                    summary { "Contents" }
                    ol {
                        @for (index, answer) in answers.iter().enumerate() {
                            li {
                                a href=(format!("#answer-{index}")) { (answer.title) }
                                @if answer.error.is_some() { " " span.bad { "rejected" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A button for all images, if there are any, and whom it asks for them.
fn images(answers: &[Answer<'_>]) -> Markup {
    let groups = answers.iter().filter_map(|answer| answer.results).flatten();
    let urls: Vec<&str> = groups.flat_map(|group| &group.matches).flat_map(image_urls).collect();
    let hosts: BTreeSet<&str> = urls.iter().copied().map(host).collect();
    let named: Vec<&str> = hosts.iter().copied().take(HOSTS_MAX).collect();
    let more = hosts.len() - named.len();
    html! {
        @if !urls.is_empty() {
            p.muted {
                button id="images" type="button" { "Show " (urls.len()) @if urls.len() == 1 { " image" } @else { " images" } }
                " from " (named.join(", ")) @if more > 0 { " and " (more) " more" } ". Until then this page loads nothing."
            }
        }
    }
}

fn section(index: usize, answer: &Answer<'_>, alone: bool) -> Markup {
    let groups = answer.results.unwrap_or_default();
    let scale = Scale::of(groups);
    html! {
        section.answer id=(format!("answer-{index}")) {
            @if !alone { h2 { (answer.title) } }
            @if !answer.facts.is_empty() {
                details {
                    summary { "Details" }
                    dl { @for (name, value) in &answer.facts { dt { (name) } dd { (value) } } }
                }
            }
            @if let Some(error) = answer.error {
                div.error {
                    p { strong { "Rejected: " (error.code.as_str()) } }
                    p { (error.message) }
                    @if error.retryable { p.muted { "Another catalog could answer the same job." } }
                }
            }
            @if answer.results.is_some() {
                @if groups.iter().all(|group| group.matches.is_empty()) {
                    p.muted { "No product matches." }
                } @else {
                    p.muted { "Bars run from " (score(scale.low)) " to " (score(scale.high)) "." }
                }
                div.groups { @for group in groups { (category(group, &scale)) } }
            }
        }
    }
}

fn category(group: &Group, scale: &Scale) -> Markup {
    let count = group.matches.len();
    html! {
        div.group {
            h3 {
                (group.category.as_deref().unwrap_or("All categories"))
                span { (count) @if count == 1 { " match" } @else { " matches" } }
            }
            ol { @for found in &group.matches { (product(found, scale)) } }
        }
    }
}

fn product(found: &Match, scale: &Scale) -> Markup {
    let name = found.title.as_deref().unwrap_or(&found.product_id);
    let (left, width) = scale.bar(found.score);
    let below = found.score < 0.0;
    html! {
        li {
            div.line { span.name { (name) } span.score { (score(found.score)) } }
            div.bar title=(found.score) {
                i.below[below] style=(format!("left:{left:.2}%;width:{width:.2}%")) {}
                @if scale.low < 0.0 { b style=(format!("left:{:.2}%", scale.zero())) {} }
            }
            p.muted {
                @if found.title.is_some() { (found.product_id) }
                @if let Some(category) = &found.category { " " (category) }
            }
            @for url in image_urls(found) {
                button type="button" data-image=(url) data-name=(name) { "Show image" }
            }
            @if !found.attributes.is_empty() {
                dl {
                    @for (attribute, value) in &found.attributes { dt { (attribute) } dd { (shown(value)) } }
                }
            }
        }
    }
}

fn shown(value: &Attribute) -> Markup {
    match texts(value) {
        [] if plain(value) == "[]" => html! { "none" },
        [] => html! { (plain(value)) },
        [one] => text(one),
        many if many.iter().any(|text| is_url(text)) => html! { ul { @for one in many { li { (text(one)) } } } },
        many => html! { (many.join(", ")) },
    }
}

/// A text; an address is a link.
fn text(text: &str) -> Markup {
    html! {
        @if is_url(text) { a href=(text) target="_blank" rel="noopener noreferrer" { (text) } } @else { (text) }
    }
}

/// Addresses of images among a product's attributes.
fn image_urls(found: &Match) -> impl Iterator<Item = &str> {
    let texts = found.attributes.iter().flat_map(|(name, value)| texts(value).iter().map(move |text| (name, text)));
    texts.filter(|(name, text)| is_image(name, text)).map(|(_, text)| text.as_str())
}

fn texts(value: &Attribute) -> &[String] {
    match value {
        Attribute::Text(text) => std::slice::from_ref(text),
        Attribute::Texts(texts) => texts,
        Attribute::Boolean(_) | Attribute::Number(_) | Attribute::Numbers(_) => &[],
    }
}

fn is_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    (lower.starts_with("https://") || lower.starts_with("http://")) && !text.contains(char::is_whitespace)
}

/// By the name of the attribute, or by the ending of the address.
fn is_image(attribute: &str, text: &str) -> bool {
    let names = ["image", "img", "photo", "picture", "thumb"];
    let endings = [".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".svg"];
    let (attribute, path) = (attribute.to_lowercase(), text.to_lowercase());
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let named = names.iter().any(|name| attribute.contains(name));
    is_url(text) && (named || endings.iter().any(|ending| path.ends_with(ending)))
}

fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next();
    authority.unwrap_or_default().rsplit('@').next().unwrap_or_default()
}

fn score(score: f32) -> String {
    format!("{score:.3}")
}

/// What the bars of an answer run over: all its scores, and zero.
struct Scale {
    low: f32,
    high: f32,
}

impl Scale {
    fn of(groups: &[Group]) -> Self {
        let scores = || groups.iter().flat_map(|group| &group.matches).map(|found| found.score);
        Self { low: scores().fold(0.0, f32::min), high: scores().fold(0.0, f32::max) }
    }

    /// In percent of the whole, as is all that follows.
    fn place(&self, score: f32) -> f32 {
        if self.high > self.low { (score - self.low) / (self.high - self.low) * 100.0 } else { 0.0 }
    }

    fn zero(&self) -> f32 {
        self.place(0.0)
    }

    /// Where a bar begins and how long it is: from zero to its score, on either side.
    fn bar(&self, score: f32) -> (f32, f32) {
        let (zero, end) = (self.zero(), self.place(score));
        (zero.min(end), (end - zero).abs())
    }
}

#[cfg(test)]
mod tests;
