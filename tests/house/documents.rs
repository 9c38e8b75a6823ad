//! What the documents name is there: files and headings behind links, verbs of make, settings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file, by its path from the root.
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    text: String,
}

impl Document {
    /// Lines outside of blocks of code, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_code = false;
        self.text.lines().enumerate().filter_map(move |(number, line)| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            (!is_code && !is_fence).then_some((number + 1, line))
        })
    }

    /// What links lead to that have a place in their line: `[text](target)`, outside of inline code.
    fn links(&self) -> Vec<(usize, String)> {
        let links = |(number, line): (usize, &str)| {
            let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            let targets = plain.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            targets.map(|(target, _)| (number, target.to_owned())).collect::<Vec<_>>()
        };
        self.prose().flat_map(links).collect()
    }

    /// Anchors of its headings, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for heading in self.prose().filter(|(_, line)| line.starts_with('#')) {
            let anchor = anchor(heading.1.trim_start_matches('#'));
            let again = (1..).map(|n| format!("{anchor}-{n}"));
            let free = std::iter::once(anchor.clone()).chain(again).find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        anchors
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// All Markdown files of the project.
pub(crate) fn documents(root: &Path) -> Vec<Document> {
    let (mut documents, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder can be listed").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && !["target", "node_modules", "dist"].contains(&name) {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                documents.push(Document { path: path.strip_prefix(root).expect("is below").to_owned(), text });
            }
        }
    }
    documents
}

/// Links to files and headings that are not there. What is on the web is not asked for.
pub(crate) fn dead_links(root: &Path, documents: &[Document]) -> Vec<String> {
    let is_dead = |document: &Document, target: &str| {
        let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
        let folder = document.path.parent().expect("a file is in a folder");
        let path = if file.is_empty() { document.path.clone() } else { normal(&folder.join(file)) };
        if !root.join(&path).exists() {
            return true;
        }
        let known = documents.iter().find(|document| document.path == path);
        anchor.is_some_and(|anchor| !known.is_some_and(|document| document.anchors().contains(anchor)))
    };
    let mut faults = Vec::new();
    for document in documents {
        for (line, target) in document.links() {
            if !target.contains("://") && is_dead(document, &target) {
                faults.push(format!("{}:{line}: {target} leads nowhere", document.path.display()));
            }
        }
    }
    faults
}

/// A path without `..`: a link may leave its folder.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

/// Words that follow one, as far as they are made of such characters.
fn words<'a>(text: &'a str, before: &str, is_part: fn(char) -> bool) -> Vec<(usize, &'a str)> {
    let found = text.match_indices(before).map(|(at, _)| (at, &text[at + before.len()..]));
    found.map(|(at, rest)| (at, &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())])).collect()
}

/// Verbs of make that the Makefile does not have: `make VERB` in code, in line or in blocks.
pub(crate) fn unknown_verbs(makefile: &str, documents: &[Document]) -> Vec<String> {
    let is_verb = |verb: &str| makefile.lines().any(|line| line.starts_with(&format!("{verb}:")));
    named(
        documents,
        "make ",
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
        |document, at| document.text[..at].ends_with('`') || document.text[..at].ends_with('\n'),
    )
    .into_iter()
    .filter(|(_, verb)| !verb.is_empty() && !is_verb(verb))
    .map(|(place, verb)| format!("{place}: the Makefile has no {verb}"))
    .collect()
}

/// Settings that are neither in the table of settings nor read by a test.
pub(crate) fn unknown_settings(sources: &str, documents: &[Document]) -> Vec<String> {
    named(documents, "NEARLINE_", |c| c.is_ascii_uppercase() || c == '_', |_, _| true)
        .into_iter()
        .filter(|(_, name)| !name.is_empty() && !sources.contains(&format!("\"NEARLINE_{name}\"")))
        .map(|(place, name)| format!("{place}: there is no setting NEARLINE_{name}"))
        .collect()
}

fn named(
    documents: &[Document],
    before: &str,
    is_part: fn(char) -> bool,
    counts: impl Fn(&Document, usize) -> bool,
) -> Vec<(String, String)> {
    let mut named = Vec::new();
    for document in documents {
        for (at, word) in words(&document.text, before, is_part) {
            if counts(document, at) {
                let line = document.text[..at].matches('\n').count() + 1;
                named.push((format!("{}:{line}", document.path.display()), word.to_owned()));
            }
        }
    }
    named
}

#[test]
fn a_link_needs_its_file_and_its_heading() {
    let text = "# Two words, `code`\n\n## Again\n## Again\n\n[a](#two-words-code) [b](#again-1) [c](#gone)\n\
                [d](gone.md) `[e](gone.md)` [f](https://example.com/gone)\n```\n# [g](gone.md)\n```\n";
    let document = Document { path: "CONTRIBUTING.md".into(), text: text.to_owned() };
    let faults = dead_links(Path::new(env!("CARGO_MANIFEST_DIR")), &[document]);
    let expected = ["CONTRIBUTING.md:6: #gone leads nowhere", "CONTRIBUTING.md:7: gone.md leads nowhere"];
    assert_eq!(faults, expected);
}

#[test]
fn a_verb_and_a_setting_have_to_be_there() {
    let text = "`make test` and `make teh-test`; we make cakes.\nNEARLINE_LOG, NEARLINE_LOGS\n";
    let documents = [Document { path: "a.md".into(), text: text.to_owned() }];
    assert_eq!(unknown_verbs("test: needs\n", &documents), ["a.md:1: the Makefile has no teh-test"]);
    let faults = unknown_settings("name: \"NEARLINE_LOG\",", &documents);
    assert_eq!(faults, ["a.md:2: there is no setting NEARLINE_LOGS"]);
}
