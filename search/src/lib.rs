//! Exact top-k cosine search: vectors in, ranked matches out.
//!
//! This crate owns the vectors of a catalog, the definition of their score and the ranking of a batch of queries
//! against them. It does no I/O, knows no product, no file format and no service, and is synchronous: parallelism is
//! the caller's rayon pool. Neither the pool's size nor the other queries of a batch ever change a result, not by a bit.
//!
//! A search scans int8 codes of the rows, and scores from f32 only the rows that a proven bound cannot exclude, so it
//! finds what scoring every row would find, to the bit (docs/exactness.md). Which rows those are depends on the
//! kernel, the threads and the batch; what is found does not.
//!
//! | module | what it owns |
//! |---|---|
//! | `score` | the definition of the score |
//! | `query` | what may be asked, and how the answer looks |
//! | `index` | the rows, and the ways to search them |
//! | `straightforward` | the search that scores every row: the oracle |
//! | `packed` | the codes of all rows, in scanning order |
//! | `order` | that order: by category, similar rows side by side |
//! | `principal`, `rotation` | pruning by principal components, where a catalog allows it |
//! | `quantize` | codes of vectors, and the bound of what they lose |
//! | `kernel` | the instruction sets that multiply codes |
//! | `scan` | the search over codes: thresholds, hits, rescoring |
//! | `selection`, `top_k` | the best k of a stream of matches |
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
//! };
//! let ranking = &index.search(&[query])?[0];
//! assert_eq!((ranking.groups[0].matches[0].row, ranking.groups[0].matches[0].score), (1, 0.8));
//! assert_eq!((ranking.groups[1].matches[0].row, ranking.groups[1].matches[0].score), (2, 1.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod index;
mod kernel;
mod order;
mod packed;
mod principal;
mod quantize;
mod query;
mod rotation;
mod scan;
mod score;
mod selection;
mod straightforward;
mod top_k;

pub use index::{Index, IndexError};
pub use kernel::{Kernel, UnknownKernel};
pub use query::{Group, Grouping, MAX_TOP_K, Query, QueryError, QueryFault, Ranking};
pub use score::{cosine, dot, norm};
pub use top_k::Match;
