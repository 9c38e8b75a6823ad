//! Objectives as they are written, against books that are known.

use super::*;
use crate::account::tests::{account, seen};
use crate::account::{Seen, Verdict};
use crate::jobs::Kind;

const MS: Duration = Duration::from_millis(1);

/// 1,000 jobs sent, end-to-end times of 1 ms to 1 s, the last `lost` of them lost.
fn run(lost: u64) -> StageBooks {
    let account = account(1_000.0, 1, 500 * MS);
    for index in 0..1_000 {
        account.intended(Duration::ZERO);
        account.send_began(Duration::ZERO, MS);
        account.sent(Duration::ZERO, Kind::Original, 2 * MS);
        if index < 1_000 - lost {
            account.seen(seen(&index.to_string(), Verdict::Succeeded, (index as u32 + 1) * MS));
        } else {
            account.lost(index.to_string(), Duration::ZERO);
        }
    }
    account.books().overall()
}

fn all(books: &StageBooks) -> Measured<'_> {
    Measured { books, verified: 1_000, verified_share: 1.0, series: None }
}

fn passed(text: &str, run: &Measured<'_>) -> Vec<bool> {
    objectives(text).unwrap().outcomes(run).iter().map(|outcome| outcome.passed).collect()
}

#[test]
fn times_counts_and_percentages_are_compared_with_their_limits() {
    let run = run(1);
    for (text, met) in [
        ("e2e.p99<2s", true),
        ("e2e.p99<0.98s", false),
        ("e2e.p99.9<=1s", true),
        ("e2e.p50 > 400ms", true),
        ("e2e.min<2ms", true),
        ("e2e.p50<0.9s", true),
        ("lag.p99<20ms", true),
        ("lag.mean<=20ms", true),
        ("send.p99<1ms", false),
        ("errors<0.1%", false),
        ("errors<=0.1%", true),
        ("lost=1", true),
        ("late<50%", true),
        ("succeeded>=999", true),
        ("dropped=0", true),
    ] {
        let objectives = objectives(text).unwrap();
        assert_eq!(objectives.outcomes(&all(&run))[0].passed, met, "{text}");
        assert_eq!(objectives.outcomes(&all(&run))[0].objective, text.replace(' ', ""));
    }
}

#[test]
fn jobs_without_a_record_took_longer_than_any_that_has_one() {
    let run = run(20);
    let all = all(&run);
    assert_eq!(passed("e2e.p98<2s,lost<21,wrong=0", &all), [true; 3]);
    assert_eq!(passed("e2e.p98<0.97s,e2e.p99<1h,e2e.max<1h,e2e.mean<1h", &all)[..4], [false; 4]);
    let value = objectives("e2e.p50<1s").unwrap().outcomes(&all)[0].value.unwrap();
    assert!((499.0..501.0).contains(&value), "{value}: the 500th of 1,000, not of those 980 that were answered");
    // Of jobs that were not sent, as many as would have been looked for.
    let account = account(1_000.0, 1, 500 * MS);
    for index in 0..100_u64 {
        account.intended(Duration::ZERO);
        if index < 60 { account.dropped(Duration::ZERO) } else { account.send_failed(Duration::ZERO) }
    }
    (0..95).for_each(|index| account.seen(seen(&index.to_string(), Verdict::Succeeded, MS)));
    let books = account.books().overall();
    let sampled = Measured { books: &books, verified: 95, verified_share: 0.05, series: None };
    assert_eq!(passed("e2e.p95<1s,e2e.p96<1s,lost=0,wrong=0", &sampled), [true, false, true, true]);
}

#[test]
fn of_a_sample_percentages_are_those_of_the_sample() {
    let run = run(5);
    let sampled = Measured { books: &run, verified: 100, verified_share: 0.1, series: None };
    assert_eq!(passed("lost<5%,lost<=5%,errors<5%,wrong=0", &sampled), [false, true, false, true]);
    let nobody = Measured { books: &run, verified: 0, verified_share: 0.1, series: None };
    assert_eq!(passed("errors<1%,dropped=0", &nobody), [false, true], "nothing is known of an empty sample");
}

#[test]
fn nothing_may_be_lost_or_wrong_unless_the_objectives_say_so() {
    let (well, ill) = (run(0), run(3));
    let (well, ill) = (all(&well), all(&ill));
    assert_eq!(passed("e2e.p99<2s", &well), [true, true, true]);
    assert_eq!(passed("e2e.p99<2s", &ill), [true, false, true]);
    assert_eq!(passed("e2e.p99<2s,lost<5", &ill), [true, true, true]);
    assert_eq!(passed("errors<1%", &ill), [true], "errors speak of lost and wrong ones");
    assert_eq!(Objectives(vec![]).outcomes(&ill).iter().filter(|outcome| outcome.implied).count(), 2);
    let unread = Measured { verified: 0, verified_share: 0.0, ..ill };
    assert_eq!(Objectives(vec![]).outcomes(&unread), [], "nothing is known of records that nobody read");
}

#[test]
fn an_objective_about_nothing_is_not_met() {
    let nothing = account(1.0, 1, MS).books().overall();
    let outcome = &objectives("e2e.p99<2s").unwrap().outcomes(&all(&nothing))[0];
    assert_eq!((outcome.value, outcome.passed), (None, false));
}

#[tokio::test(start_paused = true)]
async fn a_missed_objective_says_when() {
    let account = account(10.0, 10, Duration::from_secs(2));
    let second = Duration::from_secs(1);
    for index in 0..100_u32 {
        let at = index * second / 10;
        account.intended(at);
        account.send_began(at, if index == 71 { 600 * MS } else { MS });
        account.sent(at, Kind::Original, MS);
        account.opened(true);
        // A pause from the third to the fifth second; the last job is lost.
        let took = if (30..50).contains(&index) { (5 * second).saturating_sub(at) + 50 * MS } else { 50 * MS };
        if index < 99 {
            account.seen(Seen { intended: at, ..seen(&index.to_string(), Verdict::Succeeded, took) });
        } else {
            account.lost(index.to_string(), at);
        }
    }
    let books = account.books();
    let overall = books.overall();
    let missed = |text: &str, warmup| {
        let run = Measured { series: Some((&books.series, warmup)), ..all(&overall) };
        let missed = objectives(text).unwrap().outcomes(&run)[0].missed;
        missed.map(|missed| (missed.from_second as u64, missed.to_second as u64, missed.intervals))
    };
    assert_eq!(missed("e2e.p95<100ms", Duration::ZERO), Some((3, 10, 3)), "the job that is lost took longer, too");
    assert_eq!(missed("e2e.p50<100ms", Duration::ZERO), None, "an objective that was met");
    assert_eq!(missed("e2e.p80<51ms", 4 * second), Some((4, 5, 1)), "times of the warm-up do not count");
    assert_eq!(missed("lag.max<500ms", Duration::ZERO), Some((7, 8, 1)));
    assert_eq!(missed("late=0", Duration::ZERO), Some((3, 4, 1)), "a pause of two seconds");
    assert_eq!(missed("lost=0", Duration::ZERO), Some((9, 10, 1)));
    assert_eq!(missed("succeeded>=100", Duration::ZERO), None, "not known by interval");
}

#[test]
fn a_wrong_objective_is_explained() {
    for (text, reason) in [
        ("e2e.p99", "must be METRIC"),
        ("e2e<2s", "there is no metric `e2e`"),
        ("p99<2s", "there is no metric `p99`"),
        ("e2e.p101<2s", "there is no metric `e2e.p101`"),
        ("e2e.p99<2", "`2` is not a duration"),
        ("lost=few", "must be a number of jobs or a percentage"),
        ("e2e.p99<2s,", "must be METRIC"),
    ] {
        let error = objectives(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
    assert!(
        objectives("lost=0").unwrap().need_records() && !objectives("lag.p99<1s,dropped=0").unwrap().need_records()
    );
}
