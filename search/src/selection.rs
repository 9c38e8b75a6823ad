//! What one query has found among the rows that one thread has scanned.

use crate::query::{Group, PreparedQuery, Ranking};
use crate::top_k::TopK;

pub(crate) struct Selection {
    /// One for each group of the answer; boxed, as most stay empty if there are thousands.
    groups: Vec<Option<Box<TopK>>>,
    /// Rows whose score was computed.
    pub(crate) rescored: u64,
}

impl Selection {
    pub(crate) fn new(query: &PreparedQuery) -> Self {
        Self { groups: query.groups.iter().map(|_| None).collect(), rescored: 0 }
    }

    /// The best matches of a group.
    pub(crate) fn open(&mut self, group: usize, query: &PreparedQuery) -> &mut TopK {
        self.groups[group].get_or_insert_with(|| Box::new(TopK::new(query.top_k, query.min_score)))
    }

    /// Takes over what was selected from other rows.
    pub(crate) fn merge(&mut self, other: Self) {
        self.rescored += other.rescored;
        for (mine, theirs) in self.groups.iter_mut().zip(other.groups) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.merge(*theirs),
                (mine @ None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }

    /// The query's answer, if this is the selection from all rows.
    pub(crate) fn rank(self, query: &PreparedQuery) -> Ranking {
        let groups = query.groups.iter().zip(self.groups).map(|(&category, best)| Group {
            category,
            matches: best.map_or_else(Vec::new, |best| best.into_ranked()),
        });
        Ranking { groups: groups.collect(), rescored: self.rescored }
    }
}
