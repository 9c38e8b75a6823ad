//! The trace that a piece of work belongs to: X-Ray's header of the invocation that asked for it.
//!
//! Lambda sends it with each invocation, of which one process serves many at once, so it goes along with the task.

use tokio::task_local;

task_local! {
    static CURRENT: Option<String>;
}

/// Runs work as a part of a trace.
pub async fn within<F: Future>(trace: Option<String>, work: F) -> F::Output {
    CURRENT.scope(trace, work).await
}

/// The trace of a call that several pieces of work share, as a header names one: the first that is sampled, so that the
/// call is seen by somebody, or else the first.
pub fn of_shared<'a>(traces: impl Iterator<Item = Option<&'a str>> + Clone) -> Option<&'a str> {
    let mut traces = traces.flatten();
    let first = traces.clone().next();
    traces.find(|trace| trace.split(';').any(|part| part.trim() == "Sampled=1")).or(first)
}

/// The trace of the work that asks.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// The id of that trace: X-Ray's header has more in it.
pub fn root() -> Option<String> {
    let root =
        |header: &String| header.split(';').find_map(|part| part.trim().strip_prefix("Root=")).map(str::to_owned);
    CURRENT.try_with(|header| header.as_ref().and_then(root)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_call_is_in_a_trace_that_is_sampled_if_there_is_one() {
        let shared = |traces: &[Option<&'static str>]| of_shared(traces.iter().copied());
        let (dropped, sampled) = (Some("Root=1-a;Parent=b;Sampled=0"), Some("Root=1-c;Parent=d;Sampled=1"));
        assert_eq!(shared(&[None, dropped, sampled, Some("Root=1-e;Sampled=1")]), sampled);
        assert_eq!(shared(&[None, dropped, Some("Root=1-e")]), dropped);
        assert_eq!(shared(&[None, None]), None);
    }

    #[tokio::test]
    async fn concurrent_work_has_each_its_own_trace() {
        let ask = |trace: &str| {
            let expected = Some(trace.to_owned());
            within(expected.clone(), async move {
                tokio::task::yield_now().await;
                (current(), expected)
            })
        };
        let ((one, first), (two, second)) = tokio::join!(ask("Root=1"), ask("Root=2"));
        assert_eq!((one, two), (first, second));
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn the_id_of_a_trace_is_its_root() {
        let header = "Sampled=1; Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8";
        let root = within(Some(header.to_owned()), async { root() }).await;
        assert_eq!(root.as_deref(), Some("1-67891233-abcdef012345678912345678"));
        assert_eq!(within(Some("Self=1".to_owned()), async { super::root() }).await, None);
    }
}
