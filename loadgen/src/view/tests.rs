//! What a run looks like, from its books.

use std::time::Duration;

use super::snapshot::Snapshot;
use super::{lines, screen};
use crate::account::Verdict;
use crate::account::tests::{account, seen};
use crate::jobs::Kind;
use crate::series::QueueDepth;

const MS: Duration = Duration::from_millis(1);

async fn snapshot() -> Snapshot {
    let account = account(10.0, 60, 100 * MS);
    for index in 0..20 {
        let at = 100 * MS * index;
        account.intended(at);
        account.send_began(at, 3 * MS);
        account.sent(at, Kind::Original, 7 * MS);
        account.opened(true);
        if index < 12 {
            account.seen(seen(&index.to_string(), Verdict::Succeeded, 50 * MS));
        }
    }
    account.dropped(Duration::ZERO);
    account.queue(Some(QueueDepth { visible: 5, in_flight: 3, delayed: 0, dead_letters: Some(1) }), None);
    account.oldest_pending(Some(Duration::ZERO));
    account.tick();
    account.read_error(Some("slow down".into()));
    tokio::time::advance(Duration::from_millis(1_500)).await;
    Snapshot::take(&account, 100)
}

#[tokio::test(start_paused = true)]
async fn a_line_says_how_it_goes() {
    assert_eq!(
        lines::line(&snapshot().await),
        "   1 s  asked 10/s  sent 20 (20/s)  completed 12 (12/s)  pending 8  queue 5+3  dropped 1  lag p50 3 p99 3 ms  \
         e2e p50 50 p99 50 ms  records cannot be read: slow down"
    );
}

#[tokio::test(start_paused = true)]
async fn the_screen_shows_rates_backlog_times_and_troubles_in_any_size() {
    let snapshot = snapshot().await;
    let screen = screen::tests::drawn(&snapshot, None, 110, 40);
    for part in [
        "1s of 1m",
        "sent 20/s, asked for 10/s",
        "completed 12/s",
        "without a record 8; queue 5 waiting, 3 received, 1 dead letters",
        "end-to-end p99 50 ms",
        "schedule lag        3.0       3.0",
        "dropped                     1",
        "records cannot be read: slow down",
        "Ctrl-C ends the sending early",
    ] {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
    assert!(screen::tests::drawn(&snapshot, Some("no more jobs are sent"), 80, 24).contains("no more jobs are sent"));
    screen::tests::drawn(&snapshot, None, 10, 3);
}
