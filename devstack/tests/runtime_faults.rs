//! A function whose Runtime API misbehaves, as its harness sees it. What each fault is on the wire is tested beside it.

use devstack::lambda::{FunctionError, LambdaHarness, LambdaOptions, RuntimeFault};
use devstack::stack::{Stack, StackOptions};

mod counts;
use counts::until;

const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_bootstrap.py");

#[tokio::test]
async fn lost_slots_are_seen_and_a_new_process_has_all_of_them() {
    let stack = Stack::start(StackOptions::default()).await.unwrap();
    let options = LambdaOptions::new(FAKE, stack.queue_url(), stack.sdk_config());
    let harness = LambdaHarness::start(options).await.unwrap();
    until(&harness, |stats| stats.waiting_slots == 8).await;
    harness.runtime_faults().fail_next(3, RuntimeFault::NextInternalError);
    let stats = until(&harness, |stats| stats.waiting_slots == 5).await;
    assert_eq!((stats.runtime_faults, stats.restarts), (3, 0));
    assert!(harness.invoke(b"{}").await.is_ok());
    // The function ends when it finds nobody to ask for work.
    harness.runtime_faults().pause_listener();
    let stats = until(&harness, |stats| stats.restarts == 1 && stats.waiting_slots == 8).await;
    assert_ne!(stats.bootstrap_pid, None);
    assert!(harness.invoke(b"{}").await.is_ok());
}

#[tokio::test]
async fn half_an_invocation_fails_where_the_function_ends_of_it() {
    let stack = Stack::start(StackOptions::default()).await.unwrap();
    let options = LambdaOptions::new(FAKE, stack.queue_url(), stack.sdk_config());
    let harness = LambdaHarness::start(options).await.unwrap();
    harness.runtime_faults().fail_next(1, RuntimeFault::NextCut);
    let error = harness.invoke(b"{}").await.unwrap_err();
    assert!(matches!(error, FunctionError::Exited { .. }), "{error}");
    assert!(harness.invoke(b"{}").await.is_ok());
    assert_eq!(harness.stats().runtime_faults, 1);
}
