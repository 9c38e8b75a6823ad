//! What a run looks like, from its books.

use std::path::Path;
use std::time::Duration;

use super::snapshot::Snapshot;
use super::{Watched, lines, screen};
use crate::account::tests::{account, seen};
use crate::account::{Account, Seen, Verdict};
use crate::jobs::Kind;
use crate::series::QueueDepth;
use crate::slo::objectives;
use crate::text::NOTHING_ANSWERED;

const MS: Duration = Duration::from_millis(1);

fn watched(account: Account, slo: &str) -> Watched {
    Watched { account, title: String::new(), objectives: objectives(slo).unwrap(), verified_share: 1.0 }
}

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
    Snapshot::take(&watched(account, "e2e.p50<2s"), 100)
}

/// A long run with a great backlog: every figure is as wide as it gets.
async fn large() -> Snapshot {
    let account = account(20_000.0, 7_200, 100 * MS);
    let second = Duration::from_secs(1);
    let queue = |visible, dead| QueueDepth { visible, in_flight: 118_765, delayed: 0, dead_letters: Some(dead) };
    account.queue(Some(queue(0, 1_000)), None);
    for index in 0..90_u32 {
        let at = second * index;
        for number in 0..40_u64 {
            account.intended(at);
            account.send_began(at, 141 * MS);
            account.sent(at, Kind::Original, 198 * MS);
            account.opened(true);
            if number < 30 {
                let took = MS * (84 + 1_000 * index + number as u32);
                let verdict = if number == 0 { Verdict::Wrong("x".into()) } else { Verdict::Succeeded };
                account.seen(Seen { intended: at, ..seen(&number.to_string(), verdict, took) });
            }
        }
        account.lost(index.to_string(), at);
        account.send_failed(at);
        tokio::time::advance(second).await;
        account.tick();
    }
    account.queue(Some(queue(1_234_567, 2_234)), None);
    account.oldest_pending(Some(5 * second));
    account.send_error(
        "ThrottlingException: Rate exceeded for operation sqs:SendMessageBatch in account 123456789012".into(),
    );
    let mut snapshot =
        Snapshot::take(&watched(account, "e2e.p99<2s,e2e.p99.9<=10s,errors<0.1%,late<50%,lag.p99<250ms"), 400);
    snapshot.totals.intended += 1_234_567;
    snapshot.totals.sent += 1_234_567;
    snapshot.pending += 1_234_567;
    snapshot
}

/// Compares with a file of src/view/expected/; `UPDATE_DOCS=1` writes it.
#[track_caller]
fn is_as_expected(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/view/expected").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, drawn).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        drawn == expected,
        "{name} is no longer as expected; if it should not be, UPDATE_DOCS=1 writes it\n{drawn}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_line_says_how_it_goes() {
    assert_eq!(
        lines::line(&snapshot().await),
        "   1 s  asked 10/s  sent 20 (20/s)  completed 12 (12/s)  pending 8 (oldest 1.50 s)  queue 5+3  dropped 1  \
         lag p50 3.00 ms p99 3.00 ms  e2e p50 50.0 ms p99 50.0 ms  records cannot be read: slow down"
    );
}

#[tokio::test(start_paused = true)]
async fn no_figure_and_no_heading_is_cut_at_any_size() {
    let snapshot = large().await;
    for (width, height) in [(60, 20), (80, 24), (100, 30), (200, 50)] {
        let drawn = screen::tests::drawn(&snapshot, None, width, height);
        is_as_expected(&format!("{width}x{height}.txt"), &drawn);
        let mut needed = vec![
            "1m 30s of 2h",
            "1,234,567 waiting, 118,765 held by workers",
            "the oldest 85.0 s old",
            "p50",
            "p90",
            "p99",
            "max",
            "schedule lag",
            "end to end",
            "e2e.p99<2s",
            "MISSED",
            "ThrottlingException: Rate",
            "Ctrl-C stops the sending early",
        ];
        if width >= 80 {
            needed.extend(["p95", "p99.9", "e2e.p99.9<=10s", "1,234", "1,238,167"]);
        }
        if width >= 100 {
            needed.extend(["late<50%", "end-to-end p99", "without a record 1,235,377", "completed", "sent"]);
        }
        for part in needed {
            assert!(drawn.contains(part), "no {part:?} at {width}x{height} in\n{drawn}");
        }
        assert!(!drawn.contains("p9 "), "a heading is cut at {width}x{height}:\n{drawn}");
    }
    // Whatever the size is, each figure is whole or not there.
    let figures = |drawn: &str| -> Vec<String> {
        let words = drawn.split(|character: char| character.is_whitespace() || "\"()+".contains(character));
        // Text is cut with an ellipsis.
        let words = words.filter(|word| !word.ends_with('…'));
        words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit())).map(str::to_owned).collect()
    };
    let all = figures(&screen::tests::drawn(&snapshot, None, 400, 100));
    for (width, height) in (60..130).flat_map(|width| [20, 24, 27, 33].map(|height| (width, height))) {
        let drawn = screen::tests::drawn(&snapshot, None, width, height);
        for figure in figures(&drawn) {
            let more = ["2", "3", "4", "5"]; // "and 2 more"
            assert!(all.contains(&figure) || more.contains(&&figure[..]), "{figure} at {width}x{height} in\n{drawn}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_in_order_shows_how_it_goes() {
    let snapshot = snapshot().await;
    let drawn = screen::tests::drawn(&snapshot, None, 100, 30);
    for part in [
        "1s of 1m",
        "asked 10   sent 20   completed 12",
        "no record  8 jobs, the oldest 1.50 s old",
        "5 waiting, 3 held by workers",
        "end-to-end p99 50.2 ms",
        "0 to 50.2 ms",
        "schedule lag    3.00 ms    3.00 ms",
        "dropped                1",
        "e2e.p50<2s    50.0 ms  met",
        "records cannot be read: slow down",
        "Ctrl-C stops the sending early",
    ] {
        assert!(drawn.contains(part), "no {part:?} in\n{drawn}");
    }
    assert!(screen::tests::drawn(&snapshot, Some("no more jobs are sent"), 80, 24).contains("no more jobs are sent"));
}

#[tokio::test(start_paused = true)]
async fn an_objective_that_waiting_jobs_exceed_already_is_in_doubt() {
    let mut snapshot = snapshot().await;
    let verdict = |snapshot: &Snapshot| screen::tests::drawn(snapshot, None, 80, 24).contains("50.0 ms  in doubt");
    assert!(!verdict(&snapshot));
    snapshot.oldest = Some(2_001 * MS);
    assert!(verdict(&snapshot), "a job has waited for more than 2 s");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_is_too_small_is_told_how_large_it_must_be() {
    let snapshot = snapshot().await;
    let drawn = screen::tests::drawn(&snapshot, None, 50, 12);
    assert!(
        drawn.contains("This terminal is 50x12, the screen needs 60x20.") && drawn.contains("pending 8"),
        "{drawn}"
    );
    screen::tests::drawn(&snapshot, None, 10, 3);
    screen::tests::drawn(&snapshot, None, 1, 1);
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_answered_it_asks_for_a_worker_and_shows_no_time() {
    let account = account(10.0, 60, 100 * MS);
    account.intended(Duration::ZERO);
    account.sent(Duration::ZERO, Kind::Original, MS);
    account.opened(true);
    account.oldest_pending(Some(Duration::ZERO));
    let watched = watched(account, "e2e.p99<2s");
    tokio::time::advance(4_900 * MS).await;
    assert!(!lines::line(&Snapshot::take(&watched, 100)).contains(NOTHING_ANSWERED), "a worker may take its time");
    tokio::time::advance(100 * MS).await;
    let snapshot = Snapshot::take(&watched, 100);
    assert!(lines::line(&snapshot).contains(NOTHING_ANSWERED));
    let drawn = screen::tests::drawn(&snapshot, None, 120, 30);
    for part in [NOTHING_ANSWERED, "1 job, the oldest 5.00 s old", "end-to-end p99 not known yet", "-  not known"] {
        assert!(drawn.contains(part), "no {part:?} in\n{drawn}");
    }
}
