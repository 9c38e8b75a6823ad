//! What a catalog takes, before there is one: in memory, on disk, and of a Lambda function.
//!
//! The sums are those of what is kept for each product; where that depends on the vectors, the most that it can be.

use serde::Serialize;

use super::pointer::Pointer;
use super::vectors::Vectors;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Of each row besides its vector and codes: its norm, twice; category, number and position; the ends of its id and title.
const ROW_BYTES: u64 = 2 * 8 + 3 * 4 + 2 * 8;
/// The scale and error of each row in three segments, the norms of what follows two of them, and its share of a centroid.
const BOUNDS_BYTES: u64 = 3 * (4 + 4) + 2 * 4 + 4;
/// Dimensions of a segment are padded to this.
const STEP: u64 = 16;
/// Components of centroids.
const COMPONENTS: u64 = 16;
/// While rows are packed: the leading components of each, and its number.
const PACKING_ROW_BYTES: u64 = COMPONENTS * 4 + 2 * 4;
/// While an artifact is read: ranges that are under way, and the strings of a batch.
const READING_BYTES: u64 = 64 * MIB;
/// The process without a catalog: caches, matches, and batches in flight.
const PROCESS_BYTES: u64 = 192 * MIB;

/// What Lambda offers: standard functions in MB, of 1,024 x 1,024 bytes, and functions on managed instances in GB.
const STANDARD_MB: [u64; 2] = [128, 10_240];
const MANAGED_GB: [u64; 2] = [2, 32];

/// The shape of a catalog.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Products.
    pub rows: u64,
    /// Length of a vector.
    pub dimension: u64,
    /// Categories.
    pub categories: u64,
    /// Bytes of a product id.
    pub id_bytes: u64,
    /// Bytes of a title.
    pub title_bytes: u64,
    /// Bytes of all attributes of a product.
    pub attribute_bytes: u64,
}

/// What it takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// In memory.
    pub memory_bytes: u64,
    /// Its file.
    pub artifact_bytes: u64,
    /// A packed index of it, of which there is one for each coding.
    pub index_bytes: u64,
    /// A process that serves it.
    pub alone: Needed,
    /// A process that serves it while another as large is loaded.
    pub refreshing: Needed,
    /// The same with vectors in files that are mapped: what must be in memory.
    pub alone_mapped: Needed,
    /// As said.
    pub refreshing_mapped: Needed,
}

/// What a process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// Bytes.
    pub bytes: u64,
    /// Memory of a standard function; `null`: no function has as much.
    pub lambda_mb: Option<u64>,
    /// Memory of a function on managed instances; `null`: no function has as much.
    pub lambda_managed_gb: Option<u64>,
}

impl Shape {
    /// What it takes.
    pub fn size(&self) -> Size {
        let Self { rows, dimension, categories, id_bytes, title_bytes, attribute_bytes } = *self;
        let (vectors, packed) = (rows * dimension * 4, packed_bytes(rows, dimension));
        let strings = rows * (id_bytes + title_bytes) + categories * (8 + 5 * 2 + 16) + table_bytes(rows);
        let memory_bytes = vectors + packed + rows * (ROW_BYTES + attribute_bytes) + strings;
        // In a file, strings have ends of four bytes.
        let artifact_bytes = vectors + rows * (id_bytes + title_bytes + attribute_bytes + 3 * 4 + 16);
        let alone = memory_bytes + loading_bytes(rows) + PROCESS_BYTES;
        Size {
            memory_bytes,
            artifact_bytes,
            index_bytes: packed + 4 * rows,
            alone: Needed::of(alone),
            refreshing: Needed::of(alone + memory_bytes),
            alone_mapped: Needed::of(alone - vectors),
            refreshing_mapped: Needed::of(alone + memory_bytes - 2 * vectors),
        }
    }
}

impl Needed {
    fn of(bytes: u64) -> Self {
        let fits = |unit: u64, [least, most]: [u64; 2]| {
            let units = bytes.div_ceil(unit).max(least);
            (units <= most).then_some(units)
        };
        Self { bytes, lambda_mb: fits(MIB, STANDARD_MB), lambda_managed_gb: fits(GIB, MANAGED_GB) }
    }
}

/// What loading a published artifact takes at most: what stays, and what is there meanwhile.
pub(super) fn to_load(pointer: &Pointer, place: &Vectors) -> u64 {
    let Pointer { rows, dimension, bytes, .. } = *pointer;
    let vectors = rows.saturating_mul(dimension).saturating_mul(4);
    let strings = bytes.saturating_sub(vectors);
    let vectors = if place.stay_in_memory() { vectors } else { 0 };
    let stays = vectors + packed_bytes(rows, dimension) + rows * ROW_BYTES + table_bytes(rows) + strings;
    stays + loading_bytes(rows)
}

/// The same of a file of which only the length is known.
pub(super) fn to_load_file(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 2) + READING_BYTES
}

/// What is in memory while a file of so many bytes is loaded and an index of it is packed beside its own.
pub(super) fn to_pack_file(bytes: u64) -> u64 {
    to_load_file(bytes).saturating_add(bytes / 3)
}

/// Codes, bounds, axes and centroids.
fn packed_bytes(rows: u64, dimension: u64) -> u64 {
    rows * (dimension.next_multiple_of(STEP) + BOUNDS_BYTES) + dimension * (dimension + COMPONENTS) * 4
}

/// The table that finds ids: at most seven eighths of a power of two are taken, with five bytes for each.
fn table_bytes(rows: u64) -> u64 {
    (rows * 8 / 7).next_power_of_two() * 5
}

/// What a changed row takes beside what it takes in its vector: strings and numbers.
const CHANGED_ROW_BYTES: u64 = 300;

/// Memory that the updates of a pointer take beside its artifact, in bytes: their vectors, once more to be searched, and
/// codes.
pub(super) fn of_updates(pointer: &Pointer) -> u64 {
    let rows: u64 = pointer.updates.iter().map(|update| update.rows + update.deleted).sum();
    rows * (pointer.dimension * 10 + CHANGED_ROW_BYTES)
}

/// What is in memory while so many rows are loaded, and goes then.
pub fn loading_bytes(rows: u64) -> u64 {
    rows * PACKING_ROW_BYTES + READING_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Rows};
    use nearline_search::Kernel;

    #[test]
    fn a_size_is_that_of_a_catalog() {
        for (rows, dimension) in [(3_000, 64), (20_000, 128), (6_000, 384), (20_000, 16)] {
            let mut random = fastrand::Rng::with_seed(1);
            let rows_of = Rows {
                product_ids: (0..rows).map(|row| format!("sku-{row:08}")).collect(),
                categories: (0..rows).map(|row| format!("category {}", row % 20)).collect(),
                titles: (0..rows).map(|row| Some(format!("A product of number {row:08}"))).collect(),
                vectors: (0..rows * dimension).map(|_| random.f32() - 0.5).collect(),
                dimension,
                ..Rows::default()
            };
            let catalog = Catalog::new(rows_of, "v".into(), None, Kernel::fastest()).unwrap();
            let shape = Shape {
                rows: rows as u64,
                dimension: dimension as u64,
                categories: 20,
                id_bytes: 12,
                title_bytes: 28,
                attribute_bytes: 0,
            };
            let ratio = shape.size().memory_bytes as f64 / catalog.memory_bytes() as f64;
            assert!((0.99..1.25).contains(&ratio), "{rows} x {dimension}: {ratio}");
            let stored = catalog.index().stored(nearline_search::Codes::Eight, [0; 32]).unwrap().len();
            let ratio = shape.size().index_bytes as f64 / stored as f64;
            assert!((0.99..2.1).contains(&ratio), "{rows} x {dimension}, index: {ratio}");
        }
    }

    #[test]
    fn a_function_is_as_large_as_it_must_be_or_there_is_none() {
        let of = |rows| {
            let shape =
                Shape { rows, dimension: 384, categories: 20, id_bytes: 12, title_bytes: 40, attribute_bytes: 0 };
            let size = shape.size();
            [size.alone, size.refreshing].map(|needed| (needed.lambda_mb, needed.lambda_managed_gb))
        };
        let [small, _] = of(1_000);
        assert_eq!(small.1, Some(2));
        let [alone, refreshing] = of(1_000_000);
        assert!(alone.0 < refreshing.0 && refreshing.1 == Some(5), "{alone:?} {refreshing:?}");
        assert_eq!(of(50_000_000), [(None, None); 2]);
    }
}
