//! How large a record is as a DynamoDB item, from what a job asks for.
//!
//! By the rules of DynamoDB's documentation, like the worker's own count (`results::record_bytes`), with which a test of
//! the worker compares this one: names and values in UTF-8 bytes, 3 bytes for a list or map and 1 for each of its
//! elements, half a byte for a digit.

use serde::Serialize;

/// Largest record that keeps its results; those of a larger one go to S3.
pub const INLINE_MAX_BYTES: f64 = 350.0 * 1_024.0;

/// A score such as `0.48507637` takes half a byte for each character, and two.
const SCORE_BYTES: f64 = 7.0;
/// A record without results: ids, hash, times and the model's name, with a `request_id` of 24 characters.
const EMPTY_RECORD_BYTES: f64 = 280.0;
/// A group without matches, but for its category's name.
const GROUP_BYTES: f64 = 15.0;
/// What names the group: `category`, and its place in the map.
const CATEGORY_BYTES: f64 = 9.0;
/// A match but for what differs: its place, its map, and the names `product_id` and `score`.
const MATCH_BYTES: f64 = 21.0;
/// What names a title.
const TITLE_BYTES: f64 = 6.0;

/// What the answer to a job has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Answer {
    /// Matches of each group.
    pub top_k: f64,
    /// Groups: categories asked for, or 1 with `group_by: none`.
    pub groups: f64,
    /// Length of a product id.
    pub product_id_bytes: f64,
    /// Length of a category's name.
    pub category_bytes: f64,
    /// What `return` adds to a match: titles and attributes; 0 without.
    pub returned_bytes: f64,
}

impl Answer {
    /// Matches of a record.
    pub fn matches(&self) -> f64 {
        self.top_k * self.groups
    }

    /// Bytes of the results, in the record or in S3.
    pub fn results_bytes(&self) -> f64 {
        let title = if self.returned_bytes > 0.0 { TITLE_BYTES + self.returned_bytes } else { 0.0 };
        let category = CATEGORY_BYTES + self.category_bytes;
        // With one group, each match names its own category.
        let (in_group, in_match) = if self.groups > 1.0 { (category, 0.0) } else { (0.0, category) };
        let one = MATCH_BYTES + self.product_id_bytes + SCORE_BYTES + in_match + title;
        self.groups * (GROUP_BYTES + in_group) + self.matches() * one
    }

    /// Whether the results go to S3.
    pub fn is_spilled(&self) -> bool {
        EMPTY_RECORD_BYTES + self.results_bytes() > INLINE_MAX_BYTES
    }

    /// Bytes of the item.
    pub fn record_bytes(&self) -> f64 {
        EMPTY_RECORD_BYTES + if self.is_spilled() { 100.0 } else { self.results_bytes() }
    }

    /// Write units of the item: one for each KB started.
    pub fn write_units(&self) -> f64 {
        (self.record_bytes() / 1_024.0).ceil()
    }

    /// Read units of an eventually consistent read: half of one for each 4 KB started.
    pub fn read_units(&self) -> f64 {
        (self.record_bytes() / 4_096.0).ceil() / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: Answer =
        Answer { top_k: 5.0, groups: 20.0, product_id_bytes: 12.0, category_bytes: 8.0, returned_bytes: 0.0 };

    #[test]
    fn more_matches_take_more_units_until_they_go_to_s3() {
        assert!((ANSWER.write_units() - 5.0).abs() < 1e-9, "{}", ANSWER.record_bytes());
        let lone = Answer { groups: 1.0, ..ANSWER };
        assert!((lone.write_units() - 1.0).abs() < 1e-9, "{}", lone.record_bytes());
        let titled = Answer { returned_bytes: 60.0, ..ANSWER };
        assert!(titled.record_bytes() > ANSWER.record_bytes() + 100.0 * 60.0);
        let huge = Answer { top_k: 1_000.0, ..ANSWER };
        assert!(huge.is_spilled() && !ANSWER.is_spilled());
        assert!((huge.write_units() - 1.0).abs() < 1e-9);
    }
}
