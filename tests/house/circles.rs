//! Circles: sets of files, or of rooms, each of which names items of each other one, perhaps through others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::crate_map::Edges;

/// Each circle in words: of what it is, and what ties it.
pub(crate) fn circles(what: &str, edges: &Edges) -> Vec<String> {
    let nodes: BTreeSet<&str> = edges.keys().flat_map(|(from, to)| [from.as_str(), to]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> = nodes.iter().map(|node| (*node, reached(node, edges))).collect();
    let circles: BTreeSet<Vec<&str>> = nodes
        .iter()
        .filter(|node| reached[*node].contains(*node))
        .map(|node| reached[node].iter().copied().filter(|other| reached[other].contains(node)).collect())
        .collect();
    circles.iter().map(|circle| in_words(what, circle, edges)).collect()
}

/// All that can be come to from `start`, in one step or more.
fn reached<'a>(start: &str, edges: &'a Edges) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for (_, to) in edges.keys().filter(|(from, _)| from == node) {
            if found.insert(to.as_str()) {
                open.push(to);
            }
        }
    }
    found
}

fn in_words(what: &str, circle: &[&str], edges: &Edges) -> String {
    let mut text = format!("{} {what} name each other in a circle:", circle.len());
    for ((from, to), names) in edges {
        if circle.contains(&from.as_str()) && circle.contains(&to.as_str()) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            write!(text, "\n  {from} -> {to}: {}", names.join(", ")).expect("a text takes all");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::circles::circles;
    use crate::crate_map::{CrateMap, Sources};

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Sources = files.iter().map(|(file, text)| (format!("src/{file}"), (*text).to_owned())).collect();
        circles("files", &CrateMap::read("made_up", &sources).edges())
    }

    #[test]
    fn a_circle_through_a_re_export_is_found_and_says_what_ties_it() {
        let found = circles_of(&[
            ("lib.rs", "mod room; mod job;"),
            ("room/mod.rs", "mod fields; pub(crate) use fields::*;"),
            ("room/fields.rs", "pub(crate) struct Field; fn f() -> crate::job::Job { todo!() }"),
            ("job.rs", "use super::room::Field as F; pub(crate) struct Job(F);"),
        ]);
        let expected = "2 files name each other in a circle:\n  src/job.rs -> src/room/fields.rs: Field\n  \
            src/room/fields.rs -> src/job.rs: Job";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_parent_that_uses_its_child_and_is_used_by_it_is_a_circle() {
        let found = circles_of(&[
            ("lib.rs", "mod room;"),
            ("room/mod.rs", "mod child; const LIMIT: u8 = 1; fn f() { child::g(); }"),
            ("room/child.rs", "pub(super) fn g() { assert!(super::LIMIT > 0); }"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_long_circle_is_found_as_one() {
        let found = circles_of(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "pub struct A(crate::b::B);"),
            ("b.rs", "use crate::{c, d}; pub struct B(c::C, d::D);"),
            ("c.rs", "pub struct C; fn f() { use crate::a::*; A::new(); }"),
            ("d.rs", "pub struct D;"),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("3 files") && !found[0].contains("src/d.rs"), "{}", found[0]);
    }

    #[test]
    fn declaring_and_re_exporting_children_is_no_circle() {
        let found = circles_of(&[
            ("lib.rs", "mod room; pub use room::Room; #[cfg(unix)] pub mod other { pub struct Other; }"),
            ("room/mod.rs", "mod child; mod sibling; pub use child::{Child, sibling_of}; pub struct Room;"),
            (
                "room/child.rs",
                "pub struct Child(super::Room, crate::Room); pub fn sibling_of(_: crate::other::Other) {}",
            ),
            ("room/sibling.rs", "use super::child; struct Sibling(child::Child);"),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn tests_tie_nothing() {
        let found = circles_of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub struct A(crate::b::B); #[cfg(test)] mod tests;"),
            (
                "b.rs",
                "pub struct B; #[cfg(test)] use crate::a::A; #[cfg(test)] mod tests { use crate::a::A; } \
                impl B { #[cfg(test)] fn f(&self) -> crate::a::A { todo!() } fn g(&self) {} }",
            ),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_binary_may_name_its_library() {
        let sources = Sources::from([
            ("src/lib.rs".to_owned(), "mod a; pub use a::A;".to_owned()),
            ("src/a.rs".to_owned(), "pub struct A;".to_owned()),
            ("src/bin/tool.rs".to_owned(), "fn main() { made_up::A; }".to_owned()),
        ]);
        let edges = CrateMap::read("made_up", &sources).edges();
        assert_eq!(edges.keys().collect::<Vec<_>>(), [&("src/bin/tool.rs".to_owned(), "src/a.rs".to_owned())]);
    }
}
