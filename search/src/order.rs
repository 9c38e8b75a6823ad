//! The order in which rows are scanned: by category, and inside a category similar rows side by side, so that a block
//! of them is skipped or not as one.

use ndarray::Array2;

use crate::layout::BLOCK;

/// Rows by category, in catalog order within each; and where each category starts, and at the end the number of rows.
pub(crate) fn by_category(category_of: &[u32], category_count: u32) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0; category_count as usize + 1];
    for &category in category_of {
        starts[category as usize + 1] += 1;
    }
    for category in 1..starts.len() {
        starts[category] += starts[category - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![0; category_of.len()];
    for (row, &category) in (0..).zip(category_of) {
        let next = &mut next[category as usize];
        order[*next as usize] = row;
        *next += 1;
    }
    (order, starts)
}

/// Brings similar rows of each category together. `coordinates` (rows x a few) tells what is similar.
pub(crate) fn by_similarity(order: &mut [u32], starts: &[u32], coordinates: &Array2<f32>) {
    let mut rest = order;
    let mut done = 0;
    rayon::scope(|scope| {
        for &end in &starts[1..] {
            let category;
            (category, rest) = std::mem::take(&mut rest).split_at_mut(end as usize - done);
            let first = done;
            done = end as usize;
            scope.spawn(move |_| split(category, first, coordinates));
        }
    });
}

/// Halves the rows along the coordinate in which they differ most, and then each half, down to single blocks: the
/// leaves of a k-d tree. `first` is the position of the first row: halves end where blocks do.
fn split(rows: &mut [u32], first: usize, coordinates: &Array2<f32>) {
    if rows.len() <= BLOCK {
        return;
    }
    let middle = (first + rows.len() / 2).next_multiple_of(BLOCK) - first;
    if middle >= rows.len() {
        return;
    }
    let coordinate = widest(rows, coordinates);
    let key = |row: &u32| coordinates[(*row as usize, coordinate)];
    rows.select_nth_unstable_by(middle, |a, b| key(a).total_cmp(&key(b)).then(a.cmp(b)));
    let (left, right) = rows.split_at_mut(middle);
    rayon::join(|| split(left, first, coordinates), || split(right, first + middle, coordinates));
}

/// The coordinate with the largest variance, judged by some of the rows.
fn widest(rows: &[u32], coordinates: &Array2<f32>) -> usize {
    const SAMPLE: usize = 1_024;
    let stride = rows.len().div_ceil(SAMPLE);
    let mut sums = vec![(0.0_f32, 0.0_f32); coordinates.ncols()];
    let mut count = 0.0;
    for &row in rows.iter().step_by(stride) {
        count += 1.0;
        for ((sum, squares), value) in sums.iter_mut().zip(coordinates.row(row as usize)) {
            *sum += value;
            *squares += value * value;
        }
    }
    let variance = |(sum, squares): (f32, f32)| squares - sum * sum / count;
    (0..sums.len()).max_by(|&a, &b| variance(sums[a]).total_cmp(&variance(sums[b]))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_ranges_in_catalog_order() {
        let (order, starts) = by_category(&[0, 1, 0, 2, 1, 0], 3);
        assert_eq!(order, [0, 2, 5, 1, 4, 3]);
        assert_eq!(starts, [0, 3, 5, 6]);
    }

    #[test]
    fn similar_rows_share_blocks_and_stay_in_their_category() {
        // Rows of eight places, scattered over the catalog; four places in each category.
        let place = |row: u32| (row * 37 % 256) / 32;
        let category_of: Vec<u32> = (0..256).map(|row| u32::from(place(row) >= 4)).collect();
        // Categories count from the first that appears.
        assert_eq!(category_of[0], 0);
        let (mut order, starts) = by_category(&category_of, 2);
        let coordinates = Array2::from_shape_fn((256, 2), |(row, column)| {
            let place = place(row as u32);
            (if column == 0 { place % 2 * 2 } else { place / 2 % 2 }) as f32
        });
        by_similarity(&mut order, &starts, &coordinates);
        let mut seen = order.clone();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..256), "a permutation");
        for (category, bounds) in (0..).zip(starts.windows(2)) {
            assert!(
                order[bounds[0] as usize..bounds[1] as usize].iter().all(|&row| category_of[row as usize] == category)
            );
        }
        for block in order.chunks(BLOCK) {
            assert!(block.iter().all(|&row| place(row) == place(block[0])), "{block:?}");
        }
    }

    #[test]
    fn rows_that_are_all_the_same_are_split_too() {
        let (mut order, starts) = by_category(&[0; 1_000], 1);
        by_similarity(&mut order, &starts, &Array2::zeros((1_000, 4)));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1_000));
    }
}
