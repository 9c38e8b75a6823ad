//! The k-th largest lower bound of the rows that one query has met in a group: no row below it is among the best, and
//! no row had to be scored to know that.

/// Lower bounds of rows, of which only the largest k matter.
#[derive(Debug)]
pub(crate) struct LowerBounds {
    /// More than k of them between two looks, and after the k-th the smaller ones.
    bounds: Vec<f32>,
    /// What a bound must exceed to matter.
    kth: f32,
    /// Whether some were added since the last look.
    changed: bool,
}

impl LowerBounds {
    pub(crate) fn new() -> Self {
        Self { bounds: Vec::new(), kth: f32::NEG_INFINITY, changed: false }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.bounds.clear();
        (self.kth, self.changed) = (f32::NEG_INFINITY, false);
    }

    #[inline]
    pub(crate) fn push(&mut self, bound: f32) {
        if bound > self.kth {
            self.bounds.push(bound);
            self.changed = true;
        }
    }

    /// The k-th largest, if there are so many and it has risen since the last look. `k` is at least 1, and the same
    /// each time.
    pub(crate) fn kth_largest(&mut self, k: usize) -> Option<f32> {
        if !self.changed || self.bounds.len() < k {
            return None;
        }
        let (_, &mut kth, _) = self.bounds.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        self.bounds.truncate(k);
        (self.kth, self.changed) = (kth, false);
        Some(kth)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_kth_of_all_that_were_pushed(
            parts in prop::collection::vec(prop::collection::vec(-5_i8..5, 0..40), 1..6),
            k in 1_usize..30,
        ) {
            let mut lower_bounds = LowerBounds::new();
            let mut all = Vec::new();
            let mut known = None;
            for part in parts {
                for bound in part {
                    lower_bounds.push(f32::from(bound));
                    all.push(f32::from(bound));
                }
                all.sort_by(|a, b| b.total_cmp(a));
                known = lower_bounds.kth_largest(k).or(known);
                prop_assert_eq!(known, all.get(k - 1).copied());
                prop_assert_eq!(lower_bounds.kth_largest(k), None, "it has not risen");
            }
        }
    }
}
