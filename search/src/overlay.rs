//! The changed rows of an index, and how its answers are put together: base and changed rows are searched one after the
//! other, each in numbers of its own, and the best of both are merged.
//!
//! A row's place in the catalog settles ties. In either layer rows are in that order, so what is merged is ranked
//! already (docs/exactness.md).

use std::cmp::Ordering;
use std::iter::zip;

use crate::changes::Changes;
use crate::kernel::Available;
use crate::layer::Layer;
use crate::numbering::{LayerCategories, Numbering};
use crate::position_set::PositionSet;
use crate::query::{PreparedQuery, Query, Ranking};
use crate::rows::{IndexError, Rows};
use crate::top_k::Match;

/// Fewer changed rows than this are scored without codes. Codes pay sooner here than where a search starts from nothing:
/// the base has set thresholds, and left few of these rows to be scored.
const PACKED_ROWS_MIN: usize = 32;

/// Changed rows, and what became of the categories.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// `None` if rows are dead, and none came.
    layer: Option<Layer>,
    /// Rows of the base: changed ones are numbered from here on.
    first_row: u32,
    /// Where the first of them stand; the others come after all rows of the base.
    places: Vec<u32>,
    pub(crate) numbering: Numbering,
    in_base: LayerCategories,
    in_layer: LayerCategories,
}

impl Overlay {
    /// `base` is without its dead rows.
    pub(crate) fn build(base: &Rows, changes: Changes, known: u32, kernel: Available) -> Result<Self, IndexError> {
        let Changes { places, vectors, categories, .. } = changes;
        let numbering = Numbering::new(in_catalog_order(base, &places, &categories), known);
        if numbering.count() == 0 {
            return Err(IndexError::NoRows);
        }
        let in_base = numbering.of_layer(0..base.category_count());
        let own = Numbering::new(categories.iter().copied(), known);
        let in_layer = numbering.of_layer((0..own.count()).map(|category| own.known(category)));
        let layer = if vectors.nrows() == 0 {
            None
        } else {
            let categories = categories.iter().filter_map(|&known| own.number(known)).collect();
            Some(Layer::build(vectors, categories, kernel, PACKED_ROWS_MIN)?)
        };
        Ok(Self { layer, first_row: base.count() as u32, places, numbering, in_base, in_layer })
    }

    /// How many changed rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.layer.as_ref().map_or(0, |layer| layer.rows.count())
    }

    /// Those of a row, if it is a changed one: its layer, and its number there.
    pub(crate) fn find(&self, row: u32) -> Option<(&Layer, u32)> {
        self.layer.as_ref().zip(row.checked_sub(self.first_row))
    }

    /// Where a row stands in the catalog.
    pub(crate) fn place(&self, row: u32) -> u32 {
        match row.checked_sub(self.first_row) {
            None => row,
            Some(changed) => match self.places.get(changed as usize) {
                Some(&place) => place,
                None => row - self.places.len() as u32,
            },
        }
    }

    /// The number of a row's category; the row lives.
    pub(crate) fn category_of(&self, base: &Rows, row: u32) -> Option<u32> {
        match self.find(row) {
            Some((layer, row)) => self.in_layer.in_index(layer.rows.category_of(row)),
            None => self.in_base.in_index(base.category_of(row)),
        }
    }

    /// Of a bit for each row of the index, first those of the base, the changed rows whose bit is set.
    pub(crate) fn position_set(&self, bits: &[u64]) -> Option<PositionSet> {
        let layer = self.layer.as_ref()?;
        let (first, shift) = (self.first_row as usize / 64, self.first_row % 64);
        let word = |word: usize| {
            let next = if shift == 0 { 0 } else { bits.get(first + word + 1).map_or(0, |bits| bits << (64 - shift)) };
            bits[first + word] >> shift | next
        };
        let bits: Vec<u64> = (0..layer.rows.count().div_ceil(64)).map(word).collect();
        Some(layer.position_set(&bits))
    }

    /// How many rows of a category are in a set of each layer.
    pub(crate) fn rows_in(
        &self,
        base: &Layer,
        category: u32,
        of_base: &PositionSet,
        own: Option<&PositionSet>,
    ) -> usize {
        let in_base = self.in_base.in_layer(category).map_or(0, |category| base.rows_in(category, of_base));
        let own = self.layer.as_ref().zip(own).zip(self.in_layer.in_layer(category));
        in_base + own.map_or(0, |((layer, set), category)| layer.rows_in(category, set))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.layer.as_ref().map_or(0, Layer::memory_bytes)
            + size_of_val(self.places.as_slice())
            + self.numbering.memory_bytes()
            + self.in_base.memory_bytes()
            + self.in_layer.memory_bytes()
    }

    /// Ranks all live rows; `search` answers the questions to a layer, `None` if it was cancelled.
    pub(crate) fn search<'a>(
        &self,
        base: &Layer,
        queries: &[Query<'a>],
        prepared: &[PreparedQuery<'a>],
        search: impl Fn(&Layer, Vec<PreparedQuery<'a>>) -> Option<Vec<Ranking>>,
    ) -> Option<Vec<Ranking>> {
        let to_base = prepared.iter().map(|query| query.of_layer(&self.in_base, 0, query.rows)).collect();
        let found = search(base, to_base)?;
        let mut merged: Vec<Ranking> = prepared.iter().map(PreparedQuery::empty_ranking).collect();
        for ((ranking, query), found) in zip(&mut merged, prepared).zip(found) {
            self.take(ranking, query, found, &self.in_base);
        }
        let Some(layer) = &self.layer else { return Some(merged) };
        let to_layer = zip(queries, prepared).zip(&merged).map(|((given, query), ranking)| {
            let set = given.rows.and_then(|rows| rows.changed());
            let mut to_layer = query.of_layer(&self.in_layer, self.first_row, set);
            // No changed row below the last match of the base is among the best.
            to_layer.set_floors(|category| {
                let group = Self::group_of(query, category, &self.in_layer);
                let last = group.and_then(|group| ranking.groups[group].matches.get(query.top_k - 1));
                last.map_or(f32::NEG_INFINITY, |last| last.score)
            });
            to_layer
        });
        let found = search(layer, to_layer.collect())?;
        for ((ranking, query), mut found) in zip(&mut merged, prepared).zip(found) {
            let matches = found.groups.iter_mut().flat_map(|group| &mut group.matches);
            matches.for_each(|found| found.row += self.first_row);
            self.take(ranking, query, found, &self.in_layer);
        }
        Some(merged)
    }

    /// Takes over what was found in a layer.
    fn take(&self, ranking: &mut Ranking, query: &PreparedQuery<'_>, found: Ranking, numbers: &LayerCategories) {
        ranking.rescored += found.rescored;
        for group in found.groups {
            let Some(into) = Self::group_of(query, group.category, numbers) else { continue };
            let into = &mut ranking.groups[into].matches;
            if into.is_empty() {
                *into = group.matches;
            } else if !group.matches.is_empty() {
                into.extend(group.matches);
                into.sort_unstable_by(|a, b| self.rank(*a, *b));
                into.truncate(query.top_k);
            }
        }
    }

    /// The group of the answer that a group of a layer's answer belongs to; `None` if no row of its category lives.
    fn group_of(query: &PreparedQuery<'_>, category: Option<u32>, numbers: &LayerCategories) -> Option<usize> {
        match category {
            Some(category) => query.group_of(numbers.in_index(category)?),
            None => Some(0),
        }
    }

    /// `Less` means better.
    fn rank(&self, a: Match, b: Match) -> Ordering {
        b.score.total_cmp(&a.score).then_with(|| self.place(a.row).cmp(&self.place(b.row)))
    }
}

/// The categories of all live rows, by their known numbers.
fn in_catalog_order(base: &Rows, places: &[u32], changed: &[u32]) -> impl Iterator<Item = u32> {
    let (kept, after) = changed.split_at(places.len());
    let mut kept = zip(places, kept).peekable();
    let of_base = (0..).zip(base.categories()).filter_map(move |(row, &category)| {
        if base.is_live(row) {
            Some(category)
        } else {
            kept.next_if(|(place, _)| **place == row).map(|(_, &category)| category)
        }
    });
    of_base.chain(after.iter().copied())
}
