//! A model with a quota, and processes that call it for jobs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff::Backoff;
use crate::embed::rate::pace::Pace;
use crate::embed::rate::{Leases, MemoryLeases, start};
use crate::embed::{EmbedError, Embedder, Limits, Model, Models, Purpose};
use crate::fault::{Call, Cause, Fault};
use crate::fault_plan::FaultPlan;
use crate::under_way::UnderWay;

pub(super) const TITAN: &str = "amazon.titan-embed-text-v2:0";
const MINUTE: Duration = Duration::from_mins(1);
/// What a call takes.
const LATENCY: Duration = Duration::from_millis(80);
/// As of a Lambda function.
const DEADLINE: Duration = Duration::from_secs(58);
/// As of the intake.
const COMES_BACK: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(15));
const MAX_ATTEMPTS: u32 = 20;
/// Jobs that a process has in flight, one of few and one of many.
pub(super) const JOBS: usize = 40;
pub(super) const JOBS_OF_MANY: usize = 8;

/// How the service counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Counted {
    /// Refilled all the time, and full after two seconds.
    Bucket,
    /// Anew at each minute.
    Windows,
}

#[derive(Debug)]
struct Service {
    counted: Counted,
    quota: f64,
    random: f64,
    rng: Rng,
    tokens: f64,
    at: Instant,
    began: Instant,
    calls: Vec<Instant>,
    answered: Vec<Instant>,
}

#[derive(Debug, Clone)]
struct QuotaModels(Arc<Mutex<Service>>);

impl QuotaModels {
    fn new(counted: Counted, quota: u32, random: f64) -> Self {
        let now = Instant::now();
        let quota = f64::from(quota);
        Self(Arc::new(Mutex::new(Service {
            counted,
            quota,
            random,
            rng: Rng::with_seed(7),
            tokens: 0.0,
            at: now,
            began: now,
            calls: Vec::new(),
            answered: Vec::new(),
        })))
    }
}

impl Service {
    fn takes_a_call(&mut self) -> bool {
        let now = Instant::now();
        self.calls.push(now);
        match self.counted {
            Counted::Bucket => {
                let refill = self.quota / 60.0 * (now - self.at).as_secs_f64();
                self.tokens = (self.tokens + refill).min(self.quota / 30.0);
            }
            Counted::Windows => {
                let minute = |at: Instant| (at - self.began).as_secs() / 60;
                if now == self.began || minute(now) != minute(self.at) {
                    self.tokens = self.quota;
                }
            }
        }
        self.at = now;
        let struck = self.rng.f64() < self.random;
        let has_room = self.tokens >= 1.0;
        if has_room {
            self.tokens -= 1.0;
        }
        if struck || !has_room {
            return false;
        }
        self.answered.push(now);
        true
    }
}

impl Models for QuotaModels {
    async fn invoke(&self, model_id: &str, _: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let taken = self.0.lock().unwrap().takes_a_call();
        sleep(LATENCY).await;
        if !taken {
            return Err(Fault::of(Call::new("Memory", "InvokeModel", model_id), Cause::Throttled, "too many requests"));
        }
        Ok(format!("{{\"embedding\":[{}1]}}", "0,".repeat(255)).into_bytes())
    }
}

/// The most events in any 60 seconds that begin at one of them.
fn most_in_a_minute(events: &[Instant]) -> usize {
    let mut window = VecDeque::new();
    let mut most = 0;
    for &event in events {
        while window.front().is_some_and(|&first| event - first >= MINUTE) {
            window.pop_front();
        }
        window.push_back(event);
        most = most.max(window.len());
    }
    most
}

#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) answered: u64,
    pub(super) attempts: u64,
    pub(super) waits: u64,
    pub(super) given_up: u64,
}

/// What limits a process.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A limit of each process that nothing changes, or none: what there was before.
    Rigid(Option<u32>),
    /// The same, but it slows down when calls are refused.
    Own(Option<u32>),
    /// A limit of all together.
    Fleet(u32),
}

#[derive(Debug)]
pub(super) struct World {
    models: QuotaModels,
    pub(super) leases: Arc<dyn Leases>,
    pub(super) plan: FaultPlan,
    jobs: Arc<Mutex<Jobs>>,
    processes: VecDeque<JoinSet<()>>,
    started: usize,
}

impl World {
    pub(super) fn new(counted: Counted, quota: u32, random: f64) -> Self {
        fastrand::seed(7);
        let plan = FaultPlan::seeded(7, 0.0);
        let leases = Arc::new(MemoryLeases::default().seen_by(plan.clone()));
        let models = QuotaModels::new(counted, quota, random);
        Self { models, leases, plan, jobs: Arc::default(), processes: VecDeque::new(), started: 0 }
    }

    /// Starts a process with so many jobs in flight.
    pub(super) fn start(&mut self, kind: Kind, jobs: usize) {
        let model = Model::new(TITAN, None, 256).unwrap();
        let limits = |requests_per_minute, fleet_requests_per_minute| Limits {
            max_concurrency: 32,
            requests_per_minute,
            fleet_requests_per_minute,
        };
        let pace = match kind {
            Kind::Rigid(limit) => Arc::new(Pace::rigid(limit)),
            Kind::Own(limit) => Arc::new(Pace::own(TITAN, limits(limit, None))),
            Kind::Fleet(limit) => start(TITAN, limits(None, Some(limit)), Some(&self.leases)),
        };
        let embedder = Embedder::at(pace, self.models.clone(), limits(None, None), model, Purpose::Query);
        let mut process = JoinSet::new();
        let until = !matches!(kind, Kind::Rigid(_));
        let embedder = Arc::new(embedder);
        for job in 0..jobs {
            let name = format!("{} {job}", self.started);
            process.spawn(work(Arc::clone(&embedder), name, until, Arc::clone(&self.jobs)));
        }
        self.started += 1;
        self.processes.push_back(process);
    }

    pub(super) fn start_all(&mut self, kind: Kind, processes: usize, jobs: usize) {
        (0..processes).for_each(|_| self.start(kind, jobs));
    }

    /// Ends all but the youngest ones.
    pub(super) fn kill_all_but(&mut self, left: usize) {
        self.processes.drain(..self.processes.len() - left);
    }

    /// What happens in so many minutes, from now on.
    pub(super) async fn watch(&self, minutes: u32) -> Seen {
        let (calls, answered) = self.counts();
        *self.jobs.lock().unwrap() = Jobs::default();
        sleep(minutes * MINUTE).await;
        let service = self.models.0.lock().unwrap();
        let per_minute = |events: usize| events as f64 / f64::from(minutes);
        let (called, answers) = (service.calls.len() - calls, service.answered.len() - answered);
        Seen {
            most: most_in_a_minute(&service.calls[calls..]) as f64,
            answered: per_minute(answers),
            refused: 1.0 - answers as f64 / called as f64,
            jobs: std::mem::take(&mut self.jobs.lock().unwrap()),
        }
    }

    /// The most calls in any minute until now.
    pub(super) fn most(&self) -> f64 {
        most_in_a_minute(&self.models.0.lock().unwrap().calls) as f64
    }

    /// The service has another quota from now on.
    pub(super) fn set_quota(&self, quota: u32) {
        self.models.0.lock().unwrap().quota = f64::from(quota);
    }

    fn counts(&self) -> (usize, usize) {
        let service = self.models.0.lock().unwrap();
        (service.calls.len(), service.answered.len())
    }
}

/// Calls in a minute and what came of them.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) most: f64,
    pub(super) answered: f64,
    pub(super) refused: f64,
    pub(super) jobs: Jobs,
}

/// One job after the other, each coming back as the queue brings it back.
async fn work(embedder: Arc<Embedder>, name: String, knows_deadline: bool, jobs: Arc<Mutex<Jobs>>) {
    for number in 0.. {
        let text = format!("{name} {number}");
        let (mut receives, mut attempts) = (0, 0);
        loop {
            receives += 1;
            let deadline = Instant::now() + DEADLINE;
            let under_way = if knows_deadline { UnderWay::until(deadline) } else { UnderWay::default() };
            let fault = match timeout_at(deadline, embedder.embed(&text, &under_way)).await {
                Ok(Ok(_)) => {
                    jobs.lock().unwrap().answered += 1;
                    break;
                }
                Ok(Err(EmbedError::Fault(fault))) => fault,
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => under_way.late(),
            };
            if fault.is_attempt() {
                attempts += 1;
                jobs.lock().unwrap().attempts += 1;
            } else {
                jobs.lock().unwrap().waits += 1;
            }
            if attempts == MAX_ATTEMPTS {
                jobs.lock().unwrap().given_up += 1;
                break;
            }
            // A queue has other jobs meanwhile; this one stands for them.
            sleep(COMES_BACK.after(receives.min(4), fastrand::f64())).await;
        }
    }
}
