//! How many texts are embedded: those that a process's cache does not have.
//!
//! Each process has a cache of its own, of bounded size, and a queue gives a job to whichever is free. So a text is
//! embedded anew by each process that meets it, and again after it has been driven out. For popularity by rank this is
//! Che's approximation of a cache that drops what was used least recently: a text is still there if it was asked for
//! within the last T requests, T being how many it takes until the cache is full. (Moka, which the worker has, keeps what
//! is popular somewhat better; the estimate is on the dear side.)

use serde::Serialize;

/// Memory of the worker's cache, as in `src/embed/cache.rs`.
const CACHE_BYTES: f64 = 32.0 * 1_024.0 * 1_024.0;
/// Most popular texts that are counted one by one; the others in groups of like popularity.
const SINGLE_RANKS: f64 = 200.0;
/// How much larger each group's last rank is than its first.
const GROUP_GROWTH: f64 = 1.05;

/// Texts that a process keeps at a dimension, if they have `text_bytes` each.
pub fn cache_entries(dimension: f64, text_bytes: f64) -> f64 {
    (CACHE_BYTES / (4.0 * dimension + text_bytes)).floor()
}

/// What the texts of a load are like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Texts {
    /// Different texts to choose from; none: no text comes twice.
    pub distinct: Option<f64>,
    /// The text of rank r comes with a weight of 1/r^S. 0: all alike.
    pub zipf: f64,
    /// Texts that a process keeps.
    pub cache_entries: f64,
}

/// Texts of the same popularity.
struct Group {
    count: f64,
    /// Of one of them.
    probability: f64,
}

impl Texts {
    /// How many of `jobs` texts are embedded, if `processes` share them.
    pub fn embedded(&self, jobs: f64, processes: f64) -> f64 {
        let Some(distinct) = self.distinct else { return jobs };
        let groups = groups(distinct.max(1.0), self.zipf);
        let processes = processes.max(1.0);
        processes * misses(&groups, self.cache_entries, jobs / processes)
    }
}

/// Texts by popularity.
fn groups(distinct: f64, zipf: f64) -> Vec<Group> {
    if zipf <= 0.0 {
        return vec![Group { count: distinct, probability: 1.0 / distinct }];
    }
    let mut groups = Vec::new();
    let mut first = 1.0;
    while first <= distinct {
        let next = if first < SINGLE_RANKS { first + 1.0 } else { (first * GROUP_GROWTH).ceil() };
        let count = next.min(distinct + 1.0) - first;
        let middle = first + (count - 1.0) / 2.0;
        groups.push(Group { count, probability: middle.powf(-zipf) });
        first = next;
    }
    let total: f64 = groups.iter().map(|group| group.count * group.probability).sum();
    for group in &mut groups {
        group.probability /= total;
    }
    groups
}

/// Of `requests` to one cache: while it fills, each text once; then whatever has not been asked for within T requests.
fn misses(groups: &[Group], entries: f64, requests: f64) -> f64 {
    let full = time_to_fill(groups, entries);
    let filling = requests.min(full);
    let of = |group: &Group| {
        let first = -(-group.probability * filling).exp_m1();
        let again = group.probability * (requests - filling) * (-group.probability * filling).exp();
        group.count * (first + again)
    };
    groups.iter().map(of).sum::<f64>().min(requests)
}

/// Requests until the cache is full; infinite if it holds all texts.
fn time_to_fill(groups: &[Group], entries: f64) -> f64 {
    let seen = |requests: f64| -> f64 {
        groups.iter().map(|group| group.count * -(-group.probability * requests).exp_m1()).sum()
    };
    let distinct: f64 = groups.iter().map(|group| group.count).sum();
    if entries >= distinct {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while seen(high) < entries {
        high *= 2.0;
    }
    for _ in 0..44 {
        let middle = f64::midpoint(low, high);
        if seen(middle) < entries { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The built-in queries of loadgen, and what a worker keeps of them at 384 dimensions.
    const BUILT_IN: Texts = Texts { distinct: Some(1_800_000.0), zipf: 0.0, cache_entries: 21_000.0 };

    #[test]
    fn built_in_queries_are_embedded_nearly_every_time_as_few_of_them_stay() {
        let share = BUILT_IN.embedded(50e6, 1.0) / 50e6;
        assert!((share - (1.0 - 21_000.0 / 1_800_000.0)).abs() < 0.002, "{share}");
    }

    #[test]
    fn texts_that_all_stay_are_embedded_once_in_each_process() {
        let few = Texts { distinct: Some(200.0), ..BUILT_IN };
        assert!((few.embedded(1e6, 1.0) - 200.0).abs() < 1e-6);
        assert!((few.embedded(1e6, 3.0) - 600.0).abs() < 1e-6);
    }

    #[test]
    fn texts_that_never_come_twice_are_all_embedded() {
        assert!((Texts { distinct: None, ..BUILT_IN }.embedded(1e6, 3.0) - 1e6).abs() < 1e-6);
    }

    /// A cache that drops what was used least recently, asked by the same law.
    fn simulated(texts: Texts, requests: usize) -> f64 {
        let distinct = texts.distinct.unwrap() as usize;
        let weights: Vec<f64> = (1..=distinct).map(|rank| (rank as f64).powf(-texts.zipf)).collect();
        let sums: Vec<f64> = weights
            .iter()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let (mut state, mut misses) = (7_u64, 0);
        let (mut used, mut order) = (vec![0; distinct], std::collections::BTreeMap::new());
        for now in 1..=requests {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 11) as f64 / (1_u64 << 53) as f64 * sums[distinct - 1];
            let text = sums.partition_point(|sum| *sum < at).min(distinct - 1);
            if order.remove(&used[text]).is_none() {
                misses += 1;
            }
            used[text] = now;
            order.insert(now, text);
            if order.len() > texts.cache_entries as usize {
                order.pop_first();
            }
        }
        f64::from(misses)
    }

    #[test]
    fn the_estimate_is_what_such_a_cache_does() {
        for (distinct, zipf, cache_entries, requests) in
            [(5_000.0, 0.0, 500.0, 20_000), (5_000.0, 1.0, 500.0, 20_000), (3_000.0, 0.7, 1_000.0, 2_000)]
        {
            let texts = Texts { distinct: Some(distinct), zipf, cache_entries };
            let ratio = texts.embedded(f64::from(requests), 1.0) / simulated(texts, requests as usize);
            assert!((ratio - 1.0).abs() < 0.03, "{texts:?}: {ratio}");
        }
    }

    proptest! {
        #[test]
        fn more_jobs_never_embed_less_and_never_more_than_there_are(
            distinct in 1.0..1e6_f64, zipf in 0.0..2.0_f64, entries in 0.0..1e5_f64, jobs in 0.0..1e7_f64, processes in 1.0..50.0_f64,
        ) {
            let texts = Texts { distinct: Some(distinct.floor()), zipf, cache_entries: entries.floor() };
            let embedded = texts.embedded(jobs, processes);
            prop_assert!((0.0..=jobs * 1.000_001).contains(&embedded), "{embedded} of {jobs}");
            prop_assert!(texts.embedded(jobs * 1.1, processes) >= embedded * 0.999_999);
        }
    }
}
