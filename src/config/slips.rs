//! Slips of those who set settings: quotes that became part of a value, and names that are nearly those of settings.

use nearline_contract::clip;

use super::table::{SETTINGS, Setting};

/// What the names of all settings begin with.
const PREFIX: &str = "NEARLINE_";
/// What people put around values, and no value begins or ends with.
pub(super) const QUOTES: [char; 8] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}'];
/// How like a setting's name another has to be to be taken for it, if it is not a part of it: 0 to 1.
const LIKENESS_MIN: f64 = 0.6;

/// A sentence for each name that looks like a setting's and is not, in order.
pub(super) fn unknown<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let is_ours = |name: &str| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let is_known = |name: &str| SETTINGS.iter().any(|setting| setting.name == name);
    let mut names: Vec<&str> = names.filter(|name| is_ours(name) && !is_known(name)).collect();
    names.sort_unstable();
    let sentence = |name: &str| {
        let hint = nearest(name).map_or(String::new(), |nearest| format!(", did you mean {nearest}?"));
        format!("{} is not a setting{hint}", clip(name))
    };
    names.into_iter().map(sentence).collect()
}

/// What a value in quotes is told. A file that is not read by a shell (`docker --env-file`) keeps them.
pub(super) fn quotes(name: &str, value: &str) -> Option<String> {
    let quoted = value.starts_with(QUOTES) || value.ends_with(QUOTES);
    quoted.then(|| format!("{name} has quotes around its value, `{}`: remove them", clip(value)))
}

/// The setting whose name was probably meant.
fn nearest(name: &str) -> Option<&'static str> {
    let name = clip(&name.to_ascii_uppercase()); // comparing takes the product of both lengths
    let rest = name.strip_prefix(PREFIX).unwrap_or(&name);
    let likeness = |setting: &&Setting| {
        let known = setting.name.strip_prefix(PREFIX).unwrap_or(setting.name);
        let part = f64::from(u8::from(rest.len() > 2 && known.contains(rest)));
        part + strsim::normalized_damerau_levenshtein(rest, known)
    };
    let likely = SETTINGS.into_iter().map(|setting| (likeness(&setting), setting.name));
    let best = likely.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).map(|(_, name)| name)
}

/// Whether two URLs are of one queue: account and name, whichever host they are asked at.
pub(super) fn same_queue(one: &str, other: &str) -> bool {
    let path = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
        rest.split_once('/').map_or(rest, |(_, path)| path).to_owned()
    };
    path(one) == path(other)
}
