//! Serves invocations in as many slots as are served at once.
//!
//! A loop of our own, because a slot must outlive whatever the Runtime API does: a call that fails is made again after a
//! pause, an answer that cannot be delivered is given up, and the slot carries on. Handlers run in tasks of their own, so a
//! panic ends one invocation. A slot that ends by a bug takes the process with it: Lambda then starts another.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::invocations::{Answer, ApiError, FunctionError, Invocation, Invocations};
use crate::backoff::Backoff;
use crate::trace;

/// Pauses after calls that fail.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// Longest time for a post: an API that is silent must not keep a slot.
const POST_TIMEOUT: Duration = Duration::from_secs(5);
/// Times an answer is posted.
const POSTS_MAX: u32 = 4;

/// Serves invocations in all slots until `stop`; what runs then is finished.
pub(super) async fn serve<I, H, F>(api: I, slots: usize, stop: &CancellationToken, handler: H)
where
    I: Invocations,
    H: Fn(Invocation) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let api = Arc::new(api);
    join_all((0..slots).map(|_| slot(Arc::clone(&api), stop, handler.clone()))).await;
}

async fn slot<I, H, F>(api: Arc<I>, stop: &CancellationToken, handler: H)
where
    I: Invocations,
    H: Fn(Invocation) -> F,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut failures: u32 = 0;
    while let Some(next) = stop.run_until_cancelled(api.next()).await {
        match next {
            Ok(invocation) => {
                failures = 0;
                let work = trace::within(invocation.trace.clone(), handler(invocation.clone()));
                let answer = tokio::spawn(work).await.unwrap_or_else(|panic| {
                    tracing::error!(event = "invocation_panicked", request_id = invocation.request_id, %panic, "a bug");
                    Err(FunctionError { error_type: "panic", message: panic.to_string() })
                });
                deliver(&*api, &invocation, answer).await;
            }
            Err(error) => {
                failures += 1;
                // Every slot would say so: only the first time, then less and less often.
                if failures.is_power_of_two() {
                    tracing::warn!(event = "runtime_api_failed", failures, %error, "no invocation can be asked for");
                }
                stop.run_until_cancelled(PAUSES.sleep(failures)).await;
            }
        }
    }
}

/// Answers an invocation. An answer that was taken although its confirmation was lost is refused the second time.
async fn deliver<I: Invocations>(api: &I, invocation: &Invocation, mut answer: Answer) {
    let request_id = &invocation.request_id;
    let mut posts = 0;
    loop {
        posts += 1;
        let silence = |_| Err(ApiError::Connection(format!("no confirmation in {POST_TIMEOUT:?}")));
        let Err(error) = timeout(POST_TIMEOUT, api.answer(invocation, &answer)).await.unwrap_or_else(silence) else {
            return;
        };
        match error {
            ApiError::Status(StatusCode::PAYLOAD_TOO_LARGE) if answer.is_ok() => {
                let message = "the answer is larger than an invocation may return: read the record".to_owned();
                answer = Err(FunctionError { error_type: "answer_too_large", message });
            }
            // It has timed out, or was answered by a post whose confirmation was lost.
            ApiError::Status(status) if status.is_client_error() => {
                tracing::warn!(event = "answer_refused", request_id, posts, %error, "Lambda does not accept an answer");
                return;
            }
            _ if posts == POSTS_MAX => {
                tracing::error!(event = "answer_lost", request_id, %error, "an answer could not be delivered");
                return;
            }
            _ => PAUSES.sleep(posts).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;

    /// Hands out invocations without end, and never confirms an answer.
    struct Silent(Arc<AtomicUsize>);

    impl Invocations for Silent {
        async fn next(&self) -> Result<Invocation, ApiError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let request_id = "r".to_owned();
            Ok(Invocation { request_id, delivery_id: None, trace: None, deadline_ms: 0, payload: Bytes::new() })
        }

        async fn answer(&self, _: &Invocation, _: &Answer) -> Result<(), ApiError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_outlives_an_api_that_takes_answers_and_says_nothing() {
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let began = Instant::now();
        let serving = serve(Silent(Arc::clone(&asked)), 1, &stop, |_| async { Ok(Vec::new()) });
        assert!(timeout(Duration::from_mins(2), serving).await.is_err());
        assert!(asked.load(Ordering::Relaxed) >= 4, "{asked:?} in {:?}", began.elapsed());
    }
}
