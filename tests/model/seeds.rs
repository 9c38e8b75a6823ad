//! Which seeds are run.

use std::ops::Range;

/// `NEARLINE_SEEDS`, a number or `FROM..TO`; the usual ones if it is not set.
pub(crate) fn seeds(usual: Range<u64>) -> Range<u64> {
    let Ok(wanted) = std::env::var("NEARLINE_SEEDS") else { return usual };
    let number = |text: &str| text.trim().parse().expect("NEARLINE_SEEDS is a number or FROM..TO");
    match wanted.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&wanted)..number(&wanted) + 1,
    }
}
