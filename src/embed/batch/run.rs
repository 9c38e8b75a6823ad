//! The policy: inputs are uploaded, jobs started, watched and read, each step once however often a build is killed.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncBufReadExt;

use super::input::{Input, RECORDS_MAX, RECORDS_MIN};
use super::key::Key;
use super::output;
use super::service::{Batches, JobState, NewJob};
use super::state::{Job, Stage, State, failure};
use crate::backoff::Backoff;
use crate::embed::embedding::Embedding;
use crate::embed::model::{Model, ModelError};
use crate::fault::{Cause, Fault, Kind};

/// Pauses between two looks at the jobs, growing while nothing ends: a job takes minutes to hours.
const LOOKS: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(2));
/// Looks in a row that met only faults before they are given up: about an hour.
const BLIND_LOOKS_MAX: u32 = 30;
/// Times that an object is written or read.
const ATTEMPTS: u32 = 5;
/// Pauses between them.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// Where and how jobs run.
#[derive(Debug, Clone)]
pub struct BatchSettings {
    prefix: String,
    role_arn: String,
    model: Model,
    pub(super) records_max: usize,
}

impl BatchSettings {
    /// Jobs of `model`, whose files are below `prefix` (`s3://BUCKET/PREFIX`), and which work with the role `role_arn`.
    ///
    /// # Errors
    /// [`ModelError::NoBatches`].
    pub fn new(prefix: &str, role_arn: &str, model: Model) -> Result<Self, ModelError> {
        model.check_batches()?;
        Ok(Self {
            prefix: prefix.trim_end_matches('/').to_owned(),
            role_arn: role_arn.to_owned(),
            model,
            records_max: RECORDS_MAX,
        })
    }
}

/// How far the jobs are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchProgress {
    /// Jobs, and those of them that have ended.
    pub jobs: usize,
    /// Jobs that have ended.
    pub jobs_over: usize,
    /// Texts in all jobs.
    pub texts: usize,
    /// Texts that are embedded, as far as the service says.
    pub embedded: usize,
}

/// Why it ended early: a fault, or what `each` answered.
enum Stop<E> {
    Fault(Fault),
    Caller(E),
}

impl<E> From<Fault> for Stop<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Embeds texts by batch jobs. Each text is handed to `each` with its vector, or with the service's words why it has
/// none; what `each` was given must be kept before it returns. After a crash a text can come twice, and texts come that
/// only the earlier call named. Returns the texts that are too few for a job.
///
/// `state` is the path of a file that keeps which jobs were started. As long as it is there, jobs that an earlier call
/// has started are waited for, and texts that are in them are not sent again; it is removed at the end. No two calls may
/// share it at the same time.
///
/// # Errors
/// A permanent fault, one that lasts, a job that failed (after the answers of all others were handed over), or the first
/// error of `each`. Called again it goes on.
pub async fn embed_in_batches<B: Batches, E: From<Fault>>(
    service: &B,
    settings: &BatchSettings,
    state: &Path,
    texts: impl Iterator<Item = (Key, String)>,
    each: impl FnMut(Key, Result<Embedding, String>) -> Result<(), E>,
    progress: impl Fn(BatchProgress),
) -> Result<Vec<(Key, String)>, E> {
    let state = State::open(state, settings.model.id(), settings.model.dimension())?;
    let mut run = Run { service, settings, state, each, broken: Vec::new() };
    let ended = async {
        let too_few = run.submit(texts).await?;
        run.collect(progress).await?;
        Ok(too_few)
    };
    let too_few = ended.await.map_err(|stop| match stop {
        Stop::Fault(fault) => fault.into(),
        Stop::Caller(error) => error,
    })?;
    run.state.remove()?;
    Ok(too_few)
}

struct Run<'a, B, F> {
    service: &'a B,
    settings: &'a BatchSettings,
    state: State,
    each: F,
    /// What became of jobs that failed.
    broken: Vec<String>,
}

impl<B: Batches, E, F: FnMut(Key, Result<Embedding, String>) -> Result<(), E>> Run<'_, B, F> {
    /// Starts jobs for all texts that are in none yet, but for the last ones if they are too few for a job.
    async fn submit(&mut self, texts: impl Iterator<Item = (Key, String)>) -> Result<Vec<(Key, String)>, Fault> {
        let open = self.state.jobs.iter().filter(|job| job.stage != Stage::Over);
        let sent: HashSet<Key> = open.flat_map(|job| job.keys.iter().copied()).collect();
        let BatchSettings { model, records_max, .. } = self.settings;
        let mut texts = texts.filter(|(key, _)| !sent.contains(key));
        loop {
            let first: Vec<_> = texts.by_ref().take(RECORDS_MIN).collect();
            if first.len() < RECORDS_MIN {
                return Ok(first);
            }
            let folder = self.state.folder();
            let input = Input::write(&folder, model, *records_max, first, &mut texts);
            let at = self.plan(input.map_err(|error| failure(&folder, &error))?).await?;
            match self.start(at).await {
                Err(fault) if !fault.may_pass() => return Err(fault),
                // Started with the others, at the next look.
                _ => {}
            }
        }
    }

    /// Uploads an input, and notes its job.
    async fn plan(&mut self, input: Input) -> Result<usize, Fault> {
        let token = format!("{:032x}", fastrand::u128(..));
        let prefix = &self.settings.prefix;
        let uri = format!("{prefix}/input/{token}.jsonl");
        patiently(async || self.service.upload(&uri, input.file.path()).await).await?;
        let output = format!("{prefix}/output/");
        let Input { keys, cut, .. } = input;
        self.state.planned(Job { token, input: uri, output, keys, cut, stage: Stage::Planned })
    }

    async fn start(&mut self, at: usize) -> Result<(), Fault> {
        let Job { token, input, output, keys, .. } = &self.state.jobs[at];
        let (token, input, output) = (token.clone(), input.clone(), output.clone());
        let (model_id, role_arn) = (self.settings.model.called().to_owned(), self.settings.role_arn.clone());
        let started = self.service.start(&NewJob { token, model_id, role_arn, input, output }).await;
        let doing = format!("starting a batch job for {} texts", keys.len());
        self.state.started(at, started.map_err(|fault| fault.context(&doing))?)
    }

    /// Waits for all jobs, and hands their answers over.
    async fn collect(&mut self, progress: impl Fn(BatchProgress)) -> Result<(), Stop<E>> {
        let (mut quiet, mut blind) = (0, 0);
        loop {
            let (mut seen, mut ended, mut working, mut last_fault) = (false, false, 0, None);
            for at in 0..self.state.jobs.len() {
                match self.look(at).await {
                    Ok(None) => {}
                    Ok(Some((state, processed))) => {
                        seen = true;
                        ended |= state != JobState::Running;
                        working += if state == JobState::Running { processed } else { 0 };
                    }
                    Err(Stop::Fault(fault)) if fault.may_pass() => last_fault = Some(fault),
                    Err(stop) => return Err(stop),
                }
            }
            progress(self.progress(working));
            if self.state.jobs.iter().all(|job| job.stage == Stage::Over) {
                break;
            }
            quiet = if ended { 1 } else { quiet + 1 };
            blind = if seen { 0 } else { blind + 1 };
            match last_fault {
                Some(fault) if blind >= BLIND_LOOKS_MAX => {
                    let doing = "waiting for batch jobs, which go on: run the same command again to wait for them";
                    return Err(fault.context(doing).into());
                }
                fault => tracing::debug!(?fault, "batch jobs are looked at again"),
            }
            LOOKS.sleep(quiet).await;
        }
        if self.broken.is_empty() {
            return Ok(());
        }
        let advice = "run the same command again to send their texts in new jobs, or without batch inference";
        Err(Fault::new(Cause::Refused, format!("{}: {advice}", self.broken.join("; "))).into())
    }

    /// Takes a job as far as it goes now: how it is, and how many of its texts are embedded. `None`: nothing is to be
    /// seen of it.
    async fn look(&mut self, at: usize) -> Result<Option<(JobState, usize)>, Stop<E>> {
        let arn = match &self.state.jobs[at].stage {
            Stage::Over => return Ok(None),
            Stage::Planned => {
                self.start(at).await?;
                return Ok(Some((JobState::Running, 0)));
            }
            Stage::Started(arn) => arn.clone(),
        };
        let status = self.service.status(&arn).await?;
        match &status.state {
            JobState::Running => {}
            JobState::Completed => self.read(at, &arn, true).await?,
            JobState::Broken(words) => {
                // What it answered is welcome; why it ended must be told whatever becomes of that.
                let unread = match self.read(at, &arn, false).await {
                    Ok(()) => String::new(),
                    Err(Stop::Fault(fault)) => format!(" ({fault})"),
                    Err(stop) => return Err(stop),
                };
                self.broken.push(format!("batch job {arn}: {words}{unread}"));
            }
        }
        if status.state != JobState::Running {
            self.state.over(at)?;
        }
        Ok(Some((status.state, usize::try_from(status.processed).unwrap_or(usize::MAX))))
    }

    /// Hands over what a job answered, and if it has `completed` also that it did not answer the rest.
    async fn read(&mut self, at: usize, arn: &str, completed: bool) -> Result<(), Stop<E>> {
        let Job { input, output, keys, cut, .. } = &self.state.jobs[at];
        let (name, id) = (last_part(input), last_part(arn));
        let uri = format!("{output}{id}/{name}.out");
        let (mut open, cut): (HashSet<Key>, HashSet<Key>) =
            (keys.iter().copied().collect(), cut.iter().copied().collect());
        let each = &mut self.each;
        let mut hand_over = |(key, answer): (Key, Result<Embedding, String>)| {
            let answer = answer.map(|answer| Embedding { truncated: cut.contains(&key), ..answer });
            each(key, answer).map_err(Stop::Caller)
        };
        let mut failures = 0;
        loop {
            match read_once(self.service, &uri, completed, &mut open, &self.settings.model, &mut hand_over).await {
                Ok(()) => break,
                // What was handed over is not open any more.
                Err(Stop::Fault(fault)) if fault.may_pass() && failures + 1 < ATTEMPTS => {
                    failures += 1;
                    BACKOFF.sleep(failures).await;
                }
                // An object that stays unreadable is not worth watching the job for an hour.
                Err(Stop::Fault(fault)) => {
                    let fault = Fault { kind: Kind::Permanent, ..fault };
                    return Err(fault.context("reading the answers of a batch job").into());
                }
                Err(stop) => return Err(stop),
            }
        }
        if completed {
            for key in open {
                hand_over((key, Err("the batch job ended without an answer for it".to_owned())))?;
            }
        }
        Ok(())
    }

    fn progress(&self, working: usize) -> BatchProgress {
        let over = || self.state.jobs.iter().filter(|job| job.stage == Stage::Over);
        let texts = |job: &Job| job.keys.len();
        BatchProgress {
            jobs: self.state.jobs.len(),
            jobs_over: over().count(),
            texts: self.state.jobs.iter().map(texts).sum(),
            embedded: over().map(texts).sum::<usize>() + working,
        }
    }
}

async fn read_once<B: Batches, E>(
    service: &B,
    uri: &str,
    must_exist: bool,
    open: &mut HashSet<Key>,
    model: &Model,
    hand_over: &mut impl FnMut((Key, Result<Embedding, String>)) -> Result<(), Stop<E>>,
) -> Result<(), Stop<E>> {
    let Some(mut answers) = service.answers(uri).await? else {
        let missing = || {
            Fault::new(
                Cause::InvalidAnswer,
                format!("{uri} does not exist, though the job has completed: was it deleted?"),
            )
        };
        return if must_exist { Err(missing().into()) } else { Ok(()) };
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = answers.read_until(b'\n', &mut line).await;
        match read.map_err(|error| Fault::new(Cause::Unreachable, format!("{uri}: {error}")))? {
            0 => return Ok(()),
            _ => output::read(&line, open, model).map_or(Ok(()), &mut *hand_over)?,
        }
    }
}

/// Tries again what failed and may pass.
async fn patiently<T>(attempt: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut failures = 0;
    loop {
        match attempt().await {
            Err(fault) if fault.may_pass() && failures + 1 < ATTEMPTS => {
                failures += 1;
                BACKOFF.sleep(failures).await;
            }
            ended => return ended,
        }
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
