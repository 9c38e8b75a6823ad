//! Exact top-k cosine search: vectors in, ranked matches out.
//!
//! This crate owns the vectors of a catalog, the definition of their score and the ranking of a batch of queries
//! against them. It does no I/O, knows no product, no file format and no service, and is synchronous: parallelism is
//! the caller's rayon pool. Neither the pool's size nor the other queries of a batch ever change a result, not by a bit.
//!
//! A search scans int8 codes of the rows, and only the rows that a proven bound cannot exclude are rescored (reranked)
//! from f32, so it finds what brute force would find, to the bit (docs/exactness.md). Which rows those are depends on
//! the kernel, the threads and the batch; what is found does not.
//!
//! | module | what it owns |
//! |---|---|
//! | `score` | the definition of the score |
//! | `query` | what may be asked, and how the answer looks |
//! | `rows` | the vectors, their norms and categories |
//! | `stored` | a packed index as bytes, checked against its rows |
//! | `index` | all rows, and what may be asked of them |
//! | `layer` | rows with their codes, and the ways to search them: of the base, or those that were changed |
//! | `changes`, `overlay` | rows that changed since an index was built, searched beside the others |
//! | `numbering` | the numbers of categories then |
//! | `brute_force` | the search that scores every row: the oracle |
//! | `packed` | the codes of all rows, in scanning order |
//! | `order` | that order: by category, similar rows side by side |
//! | `pca`, `rotation` | pruning by principal components, where a catalog allows it |
//! | `quantize` | codes of vectors, and the bound of what they lose |
//! | `layout`, `pages` | how codes lie in memory, and in which pages |
//! | `bytes`, `numbers` | numbers as the bytes that files have of them; those of all rows, in memory or mapped |
//! | `kernel` | the instruction sets that multiply codes |
//! | `row_set`, `position_set` | the rows that a query may match, of an index and of a layer |
//! | `ways`, `direct`, `subset` | how a query is searched by their number: scored at once, gathered, or where they lie |
//! | `scan`, `active`, `rescore` | the search over codes: candidates, and the exact scores of those that are left |
//! | `centroids`, `warm_start` | what is known before a row is scanned |
//! | `thresholds` | what a row must reach, and how threads share it |
//! | `top_k` | the best k of a stream of matches |
//!
//! ```
//! use ndarray::{array, aview1};
//! use nearline_search::{Grouping, Index, Query};
//!
//! let index = Index::build(array![[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]], vec![0, 0, 1])?;
//! let query = Query {
//!     vector: aview1(&[0.0, 1.0]),
//!     top_k: 1,
//!     grouping: Grouping::ByCategory,
//!     categories: None,
//!     min_score: None,
//!     exclude: &[],
//!     rows: None,
//! };
//! let ranking = &index.search(&[query])?[0];
//! assert_eq!((ranking.groups[0].matches[0].row, ranking.groups[0].matches[0].score), (1, 0.8));
//! assert_eq!((ranking.groups[1].matches[0].row, ranking.groups[1].matches[0].score), (2, 1.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod active;
mod brute_force;
mod bytes;
mod centroids;
mod changes;
mod direct;
mod index;
mod kernel;
mod layer;
mod layout;
mod numbering;
mod numbers;
mod order;
mod overlay;
mod packed;
mod pages;
mod pca;
mod position_set;
mod quantize;
mod query;
mod rescore;
mod rotation;
mod row_set;
mod rows;
mod scan;
mod score;
mod stored;
mod subset;
mod thresholds;
mod top_k;
mod warm_start;
mod ways;

pub use bytes::{as_bytes, as_bytes_mut};
pub use changes::Changes;
pub use index::Index;
pub use kernel::{Available, Kernel, UnknownKernel};
pub use layout::Codes;
pub use numbers::Numbers;
pub use query::{Group, Grouping, MAX_TOP_K, Query, QueryError, QueryFault, Ranking};
pub use row_set::RowSet;
pub use rows::IndexError;
pub use score::{cosine, dot, norm};
pub use stored::{STORED_FORMAT, StoredIndex, Unfit};
pub use top_k::Match;
