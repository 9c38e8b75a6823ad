//! "Batch what is waiting": the one primitive behind the searcher and the embedder.
//!
//! Requests join a queue; a free runner takes all that wait, up to a cap, and works on them together. There is no
//! timer: an idle system adds no delay, and a busy one forms larger batches by itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

/// The batch that a request was part of was dropped without an answer: its runner panicked or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch was dropped without an answer")]
pub struct Dropped;

/// An answer, and how it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<R> {
    /// What was asked for.
    pub answer: R,
    /// How long the request waited for a runner.
    pub waited: Duration,
    /// How many requests were in its batch.
    pub together: usize,
}

/// A request, since when it waits, and who wants the answer.
type Waiting<T, R> = (T, Instant, oneshot::Sender<Answered<R>>);

/// A queue of requests `T` answered by `R`, in batches.
#[derive(Debug)]
pub struct Coalescer<T, R> {
    queue: mpsc::UnboundedSender<Waiting<T, R>>,
}

impl<T: Send + 'static, R: Send + 'static> Coalescer<T, R> {
    /// Starts `runners` tasks, each calling `run` on at most `cap` requests at a time. `run` answers in order, one
    /// answer for each request; a shorter answer drops the rest. The runners end when the coalescer is dropped.
    ///
    /// The queue is bounded by its callers: each waits for its answer.
    pub fn start<F, Fut>(runners: usize, cap: usize, run: F) -> Self
    where
        F: Fn(Vec<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<R>> + Send + 'static,
    {
        assert!(runners > 0 && cap > 0, "a coalescer needs a runner and room for a request");
        let (queue, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let run = Arc::new(run);
        for _ in 0..runners {
            tokio::spawn(runner(Arc::clone(&waiting), cap, Arc::clone(&run)));
        }
        Self { queue }
    }

    /// Waits for the answer to `request`. Dropping the future withdraws a request that has not been taken yet; a batch
    /// that nobody waits for any more is dropped where it stands.
    ///
    /// # Errors
    /// [`Dropped`] if no answer came.
    pub async fn call(&self, request: T) -> Result<Answered<R>, Dropped> {
        let (answer, answered) = oneshot::channel();
        self.queue.send((request, Instant::now(), answer)).map_err(|_| Dropped)?;
        answered.await.map_err(|_| Dropped)
    }
}

async fn runner<T, R, F, Fut>(waiting: Arc<Mutex<mpsc::UnboundedReceiver<Waiting<T, R>>>>, cap: usize, run: Arc<F>)
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(Vec<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<R>> + Send + 'static,
{
    let mut batch = Vec::with_capacity(cap);
    loop {
        if waiting.lock().await.recv_many(&mut batch, cap).await == 0 {
            return;
        }
        let taken = Instant::now();
        let wanted = batch.drain(..).filter(|(.., answer): &Waiting<T, R>| !answer.is_closed());
        let (requests, (waits, mut answers)): (Vec<T>, (Vec<Duration>, Vec<_>)) =
            wanted.map(|(request, since, answer)| (request, (taken - since, answer))).unzip();
        if requests.is_empty() {
            continue;
        }
        let together = requests.len();
        // A task of its own, so that a panic drops this batch's answers and not the runner.
        let mut batch = tokio::spawn(run(requests));
        let all_gone = join_all(answers.iter_mut().map(oneshot::Sender::closed));
        let finished = tokio::select! {
            biased;
            finished = &mut batch => finished,
            _ = all_gone => {
                batch.abort();
                continue;
            }
        };
        match finished {
            Ok(results) => results.into_iter().zip(waits).zip(answers).for_each(|((result, waited), answer)| {
                let _ = answer.send(Answered { answer: result, waited, together }); // the one who asked may have gone
            }),
            Err(error) => tracing::error!(%error, "a batch ended without answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    fn answer<R>(answered: Result<Answered<R>, Dropped>) -> Result<R, Dropped> {
        answered.map(|answered| answered.answer)
    }

    #[tokio::test]
    async fn what_waits_is_taken_together_up_to_the_cap() {
        let gate = Arc::new(Semaphore::new(0));
        let (sizes, mut seen) = mpsc::unbounded_channel();
        let coalescer = Coalescer::start(1, 4, {
            let gate = Arc::clone(&gate);
            move |batch: Vec<u32>| {
                let (gate, sizes) = (Arc::clone(&gate), sizes.clone());
                async move {
                    sizes.send(batch.len()).unwrap();
                    gate.acquire().await.unwrap().forget();
                    batch.into_iter().map(|number| number * 2).collect()
                }
            }
        });
        let first = coalescer.call(0);
        tokio::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        assert_eq!(seen.recv().await, Some(1), "an idle runner does not wait for more");
        let rest = join_all((1..=6).map(|number| coalescer.call(number)));
        tokio::pin!(rest);
        assert!(futures_util::poll!(&mut rest).is_pending());
        gate.add_permits(3);
        assert_eq!(answer(first.await), Ok(0));
        let rest = rest.await;
        assert_eq!(rest.iter().map(|one| one.unwrap().together).collect::<Vec<_>>(), [4, 4, 4, 4, 2, 2]);
        assert_eq!(rest.into_iter().map(answer).collect::<Vec<_>>(), [2, 4, 6, 8, 10, 12].map(Ok));
        assert_eq!((seen.recv().await, seen.recv().await), (Some(4), Some(2)));
    }

    #[tokio::test]
    async fn a_panic_drops_its_own_batch_only() {
        let coalescer = Coalescer::start(1, 1, |batch: Vec<u32>| async move {
            assert_ne!(batch, [13], "bad luck");
            batch
        });
        assert_eq!(answer(coalescer.call(13).await), Err(Dropped));
        assert_eq!(answer(coalescer.call(7).await), Ok(7));
    }

    #[tokio::test]
    async fn a_batch_that_nobody_waits_for_is_dropped() {
        let (started, mut starts) = mpsc::unbounded_channel();
        let coalescer = Coalescer::start(1, 2, move |batch: Vec<u32>| {
            let (ends, ended) = oneshot::channel::<()>();
            started.send(ended).unwrap();
            async move {
                if batch[0] == 0 {
                    std::future::pending::<()>().await;
                }
                drop(ends);
                batch
            }
        });
        let mut both = Box::pin(join_all([coalescer.call(0), coalescer.call(1)]));
        assert!(futures_util::poll!(&mut both).is_pending());
        let ended = starts.recv().await.unwrap();
        drop(both);
        assert!(ended.await.is_err(), "the batch has dropped what it holds");
        assert_eq!(answer(coalescer.call(7).await), Ok(7), "the runner goes on");
    }

    #[tokio::test]
    async fn a_withdrawn_request_costs_nothing() {
        let ran = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(0));
        let coalescer = Coalescer::start(1, 1, {
            let (ran, gate) = (Arc::clone(&ran), Arc::clone(&gate));
            move |batch: Vec<u32>| {
                let (ran, gate) = (Arc::clone(&ran), Arc::clone(&gate));
                async move {
                    gate.acquire().await.unwrap().forget();
                    ran.fetch_add(1, Ordering::SeqCst);
                    batch
                }
            }
        });
        let first = coalescer.call(1);
        tokio::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        {
            let withdrawn = coalescer.call(2);
            tokio::pin!(withdrawn);
            assert!(futures_util::poll!(&mut withdrawn).is_pending());
        }
        gate.add_permits(2);
        assert_eq!(answer(first.await), Ok(1));
        assert_eq!(answer(coalescer.call(3).await), Ok(3));
        assert_eq!(ran.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_a_runner_learns_how_long() {
        let coalescer = Coalescer::start(1, 1, |batch: Vec<u64>| async move {
            tokio::time::sleep(Duration::from_millis(batch[0])).await;
            batch
        });
        let (first, second) = tokio::join!(coalescer.call(30), coalescer.call(50));
        let waited = |answered: Result<Answered<u64>, Dropped>| answered.unwrap().waited.as_millis();
        assert_eq!((waited(first), waited(second)), (0, 30));
    }
}
