//! Which rows pass a filter, column by column.
//!
//! Of conditions that all have to hold the most selective comes first: the others pass over words of 64 rows of which
//! none is left.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bits::{Bits, retain_rows};
use super::column::{Column, Values};
use super::resolve::{Leaf, Node, RowFilter, Test};
use super::table::Attributes;

/// Of fewer rows conditions are taken as they come.
const ORDERED_ROWS_MIN: usize = 1 << 14;

/// Words of 64 rows that a condition is tried on, to see how selective it is.
const TRIED_WORDS: usize = 32;

impl Attributes {
    /// A bit for each row: 1 if it passes. `filter` must be of these attributes. Once `cancelled` is true the rest is not
    /// looked at.
    pub fn passing(&self, filter: &RowFilter, cancelled: &AtomicBool) -> Vec<u64> {
        self.evaluate(&filter.0, cancelled).into_words()
    }

    /// The rows that pass.
    fn evaluate(&self, node: &Node, cancelled: &AtomicBool) -> Bits {
        let mut rows = Bits::all(self.rows);
        self.retain(node, &mut rows, cancelled);
        rows
    }

    /// Takes the rows away that do not pass.
    fn retain(&self, node: &Node, rows: &mut Bits, cancelled: &AtomicBool) {
        if cancelled.load(Ordering::Relaxed) {
            return;
        }
        match node {
            Node::All(nodes) => {
                for node in self.most_selective_first(nodes, cancelled) {
                    self.retain(node, rows, cancelled);
                }
            }
            Node::Any(nodes) => {
                let mut passing = Bits::none(rows.len());
                for node in nodes {
                    let mut left = rows.clone();
                    self.retain(node, &mut left, cancelled);
                    rows.subtract(&left);
                    passing.unite(&left);
                }
                *rows = passing;
            }
            Node::Leaf(Leaf { column, test, negated }) => {
                let column = &self.columns[*column];
                if *negated {
                    let mut passing = rows.clone();
                    retain(column, test, &mut passing);
                    rows.subtract(&passing);
                } else {
                    retain(column, test, rows);
                }
            }
        }
    }

    fn most_selective_first<'a>(&self, nodes: &'a [Node], cancelled: &AtomicBool) -> Vec<&'a Node> {
        let mut nodes: Vec<&Node> = nodes.iter().collect();
        if nodes.len() > 1 && self.rows >= ORDERED_ROWS_MIN {
            let mut tried = Bits::all(self.rows);
            tried.thin_out(tried.words().len() / TRIED_WORDS);
            nodes.sort_by_cached_key(|node| {
                let mut passing = tried.clone();
                self.retain(node, &mut passing, cancelled);
                passing.count()
            });
        }
        nodes
    }
}

/// Takes the rows away that do not pass a test.
fn retain(column: &Column, test: &Test, rows: &mut Bits) {
    if let Some(present) = &column.present {
        rows.intersect(present);
    }
    match (&column.values, test) {
        (_, Test::Exists) => {}
        (Values::Booleans(values), Test::Booleans { yes, no }) => match (yes, no) {
            (true, true) => {}
            (true, false) => rows.intersect(values),
            (false, true) => rows.subtract(values),
            (false, false) => rows.clear(),
        },
        (Values::Numbers(values) | Values::Instants { values, .. }, Test::Numbers(ranges)) => {
            values.retain(ranges, rows);
        }
        (Values::NumberLists { ends, items }, Test::Numbers(ranges)) => items.retain_lists(ends, ranges, rows),
        (Values::Texts(texts), Test::Texts(wanted)) => texts.retain(wanted, rows),
        (Values::TextLists { ends, items }, Test::Texts(wanted)) => items.retain_lists(ends, wanted, rows),
        // A filter is of the catalog that resolved it.
        _ => retain_rows(rows, |_| false),
    }
}
