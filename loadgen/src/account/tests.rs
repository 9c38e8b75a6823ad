//! What entries do to the books; and books for the tests of others.

use super::*;
use crate::schedule::{Arrivals, Stage};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Books for `seconds` at one rate.
pub(crate) fn account(rps: f64, seconds: u64, late_after: Duration) -> Account {
    let stages = vec![Stage::constant(rps, SECOND * seconds as u32)];
    let rules = Rules { warmup: Duration::ZERO, late_after };
    Account::new(Arc::new(Schedule::new(stages, Arrivals::Constant, 0)), rules)
}

pub(crate) fn seen(id: &str, verdict: Verdict, end_to_end: Duration) -> Seen {
    let (request_id, intended, detection) = (id.to_owned(), Duration::ZERO, MS);
    let unchecked = Unchecked::default();
    Seen { request_id, intended, verdict, unchecked, end_to_end, detection, catalog_version: Some("v1".into()) }
}

#[test]
fn a_seen_record_leaves_the_pending_and_can_be_late_as_well() {
    let account = account(4.0, 1, SECOND);
    for _ in 0..4 {
        account.intended(Duration::ZERO);
        account.sent(Duration::ZERO, Kind::Original, MS);
        account.opened(true);
    }
    account.seen(seen("a", Verdict::Succeeded, SECOND));
    account.seen(seen("b", Verdict::Rejected { replaceable: false }, SECOND + MS));
    account.seen(seen("c", Verdict::Wrong("because".into()), 5 * MS));
    assert_eq!(account.books().pending(), 1);
    account.lost("d".into(), Duration::ZERO);
    let books = account.books();
    let expected =
        Totals { intended: 4, sent: 4, succeeded: 1, rejected: 1, wrong: 1, lost: 1, late: 1, ..Totals::default() };
    assert_eq!((books.totals(), books.pending()), (expected, 0));
    assert_eq!((&books.wrong[0].request_id[..], &books.lost_ids[0][..], &books.late_ids[0][..]), ("c", "d", "b"));
    assert_eq!(books.overall().times.end_to_end.count(), 3);
    assert_eq!(books.catalogs["v1"].records, 3);
    let interval = &books.series.points()[0];
    assert_eq!((interval.lost, interval.wrong, interval.late), (1, 1, 1));
}

#[test]
fn listed_ids_are_bounded_and_counts_are_not() {
    let account = account(1.0, 1, SECOND);
    (0..LISTED_MAX + 5).for_each(|index| account.lost(index.to_string(), Duration::ZERO));
    let books = account.books();
    assert_eq!((books.lost_ids.len(), books.totals().lost), (LISTED_MAX, LISTED_MAX as u64 + 5));
}

#[test]
fn a_record_written_twice_moves_from_right_to_wrong() {
    let account = account(1.0, 1, SECOND);
    account.opened(true);
    account.seen(seen("a", Verdict::Succeeded, MS));
    account.turned_wrong("a", Duration::ZERO, &Verdict::Succeeded, "written twice".into(), true);
    let books = account.books();
    assert_eq!(books.totals(), Totals { wrong: 1, ..Totals::default() });
    assert_eq!((books.accounting.duplicated, &books.duplicated_ids[..]), (1, &["a".to_owned()][..]));
    assert_eq!(books.wrong, [Wrong { request_id: "a".into(), reason: "written twice".into() }]);
}

#[test]
fn a_stage_has_its_own_books_and_the_warm_up_is_left_out_of_the_distributions() {
    let stages = vec![Stage::constant(1.0, SECOND), Stage::constant(2.0, SECOND)];
    let rules = Rules { warmup: SECOND / 2, late_after: SECOND };
    let account = Account::new(Arc::new(Schedule::new(stages, Arrivals::Constant, 0)), rules);
    for (at, took) in [(Duration::ZERO, 900 * MS), (SECOND, 5 * MS), (SECOND + SECOND / 2, 7 * MS)] {
        account.intended(at);
        account.send_began(at, MS);
        account.sent(at, Kind::Original, took);
    }
    let books = account.books();
    assert_eq!(books.stages.iter().map(|stage| stage.totals.sent).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(books.stages.iter().map(|stage| stage.times.send.count()).collect::<Vec<_>>(), [0, 2]);
    assert!(books.overall().times.send.quantile(1.0) < 8 * MS);
    assert_eq!(books.series.points()[0].send_max_ms, Some(900.0), "the series has all of it");
}
