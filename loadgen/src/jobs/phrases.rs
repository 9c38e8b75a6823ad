//! Built-in queries: what shoppers type, made of parts, so that there are enough of them to get past every cache.

#[rustfmt::skip]
const QUALITIES: [&str; 12] = [
    "cheap", "compact", "durable", "elegant", "foldable", "lightweight", "quiet", "rechargeable", "small", "sturdy",
    "waterproof", "wireless",
];
#[rustfmt::skip]
const COLOURS: [&str; 16] = [
    "beige", "black", "blue", "brown", "coral", "dark green", "graphite", "grey", "ivory", "mustard", "navy", "orange",
    "red", "silver", "turquoise", "white",
];
#[rustfmt::skip]
const THINGS: [&str; 24] = [
    "backpack", "bicycle light", "blender", "board game", "camera", "coffee grinder", "cookware set", "desk lamp",
    "drill", "garden hose", "hair dryer", "headphones", "keyboard", "kettle", "notebook", "office chair", "phone case",
    "rain jacket", "running shoes", "speaker", "tent", "vacuum cleaner", "watch", "yoga mat",
];
#[rustfmt::skip]
const USES: [&str; 8] = [
    "for a small flat", "for beginners", "for children", "for daily use", "for the office", "for travel", "for winter",
    "as a gift",
];
/// The last part is a price: `under 10` to `under 255`.
const PRICES: usize = 50;

/// How many different phrases there are.
pub(super) const COUNT: u64 = (QUALITIES.len() * COLOURS.len() * THINGS.len() * USES.len() * PRICES) as u64;

/// Has no divisor in common with [`COUNT`], so that multiplying by it visits every phrase once.
const STRIDE: u64 = 1_000_003;

/// Phrase `rank` of the order that `seed` decides; without characters that JSON escapes.
pub(super) fn phrase(seed: u64, rank: u64) -> String {
    let mut rest = (rank % COUNT * STRIDE + seed % COUNT) % COUNT;
    let mut pick = |count: usize| {
        let index = (rest % count as u64) as usize;
        rest /= count as u64;
        index
    };
    let (quality, colour) = (QUALITIES[pick(QUALITIES.len())], COLOURS[pick(COLOURS.len())]);
    let (thing, purpose, price) = (THINGS[pick(THINGS.len())], USES[pick(USES.len())], 10 + 5 * pick(PRICES));
    format!("{quality} {colour} {thing} {purpose} under {price}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_rank_has_a_phrase_of_its_own() {
        let distinct: HashSet<u64> = (0..COUNT).map(|rank| rank * STRIDE % COUNT).collect();
        assert_eq!(distinct.len() as u64, COUNT);
        let phrases: HashSet<String> = (0..50_000).map(|rank| phrase(7, rank)).collect();
        assert_eq!(phrases.len(), 50_000);
        assert_ne!(phrase(7, 0), phrase(8, 0));
    }
}
