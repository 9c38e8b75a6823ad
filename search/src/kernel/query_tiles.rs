//! The active queries side by side, as kernels read them.

use crate::quantize::CodedQuery;

/// Codes of the active queries, interleaved tile by tile as the kernel reads them.
#[derive(Debug, Default)]
pub(crate) struct Tiles {
    /// For each segment four codes each: for each run of dimensions, the words of each query of the tile.
    words: Vec<Vec<i32>>,
    widths: Vec<usize>,
}

/// Some of the active queries, side by side.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// The slot of its first query.
    pub(super) first: usize,
    pub(super) width: usize,
    /// Its place among the tiles.
    pub(super) number: usize,
    tiles: &'a Tiles,
}

impl Tiles {
    /// Gathers `queries` into as few tiles as the widths (widest first, ending in 1) allow, those of each part by
    /// themselves: so many are in each part. `run` is the kernel's, 4 or 8.
    pub(crate) fn gather(
        &mut self,
        queries: &[&CodedQuery],
        parts: impl Iterator<Item = usize>,
        widths: &[usize],
        run: usize,
    ) {
        let words_in_run = run / 4;
        self.widths.clear();
        for mut rest in parts {
            for &width in widths {
                while rest >= width {
                    self.widths.push(width);
                    rest -= width;
                }
            }
        }
        self.words.resize_with(queries.first().map_or(0, |query| query.parts.len()), Vec::new);
        for (segment, words) in self.words.iter_mut().enumerate() {
            words.clear();
            let mut rest = queries;
            for &width in &self.widths {
                let tile;
                (tile, rest) = rest.split_at(width);
                for start in (0..tile[0].parts[segment].words.len()).step_by(words_in_run) {
                    for query in tile {
                        words.extend_from_slice(&query.parts[segment].words[start..start + words_in_run]);
                    }
                }
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Tile<'_>> {
        self.widths.iter().enumerate().scan(0, |next, (number, &width)| {
            let first = *next;
            *next += width;
            Some(Tile { first, width, number, tiles: self })
        })
    }

    pub(super) fn count(&self) -> usize {
        self.widths.len()
    }
}

impl Tile<'_> {
    /// The codes of its `Q` queries in a segment that has this many words for each.
    #[inline(always)]
    pub(super) fn words<const Q: usize>(&self, segment: usize, words_of_query: usize) -> &[i32] {
        &self.tiles.words[segment][self.first * words_of_query..][..Q * words_of_query]
    }
}
