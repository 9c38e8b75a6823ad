//! One run from the checked settings to its exit code: connects the schedule, the sender, the verifier and the report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Rules};
use crate::aws::{self, DepthProbe, DynamoTable, SqsQueue};
use crate::cli::{Args, ReportArgs, Task};
use crate::error::RunError;
use crate::inputs::{self, Inputs};
use crate::outputs::{Output, print};
use crate::plan::{Plan, PlanOptions};
use crate::prices::Cost;
use crate::report::{Comparison, Environment, Report, Run, Settings, StageSettings, page};
use crate::requests::Meter;
use crate::schedule::Schedule;
use crate::sender::{self, Batcher};
use crate::stop::Stop;
use crate::usage::usage;
use crate::verify::{DepthSample, Judge, Verifier, VerifyOptions};
use crate::view::{View, Watched};

/// Something kept the run from its end.
pub const EXIT_FAILED: u8 = 1;
/// An objective was missed.
const EXIT_OBJECTIVE_MISSED: u8 = 3;
/// The load that was asked for was not offered.
const EXIT_INVALID: u8 = 4;

/// From one sample of the queue's depth, and of the backlog, to the next.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Does what the command line asks for, with clients as the environment describes them; the exit code.
pub async fn execute(task: Task) -> Result<u8, RunError> {
    let args = match task {
        Task::Report(args) => return report(&args),
        Task::Run(args) => *args,
    };
    if args.dry_run {
        return dry_run(&args);
    }
    let (stop, view) = (Stop::default(), View::choose(args.plain));
    stop.on_signals(view == View::Lines).map_err(RunError::Signals)?;
    run(args, &aws::sdk_config().await, stop, view).await
}

/// Runs the load that `args` describe and reports on it; the exit code.
pub async fn run(args: Args, config: &SdkConfig, stop: Stop, view: View) -> Result<u8, RunError> {
    let inputs = Inputs::read(&args)?;
    let output = args.output.as_deref().map(Output::open).transpose()?;
    let config = aws::single_attempts(config);
    let (queue_url, table_name) = (required(args.queue_url.as_ref()), required(args.results_table.as_ref()));
    let meter = Arc::new(Meter::default());
    let queue = SqsQueue::open(&config, queue_url, meter.clone()).await?;
    let table = DynamoTable::open(&config, table_name, meter.clone()).await?;
    let probe = DepthProbe::new(queue.clone(), args.dead_letter_queue_url());
    let (depth_before, depth_trouble) = probe.depth().await;

    let Inputs { jobs, schedule, catalog } = inputs;
    let expected_catalog = catalog.as_ref().map(|catalog| catalog.version.clone());
    let lookups_per_second = args.lookups_per_second(schedule.peak());
    let max_in_flight = args.max_in_flight(schedule.peak());
    let now = OffsetDateTime::now_utc().truncate_to_millisecond();
    let started_at = now.format(&Rfc3339).expect("the present has a year of four digits");
    let (cpu_before, _) = usage();
    let account = Account::new(schedule, Rules { warmup: args.warmup, late_after: args.late_after });
    account.queue(depth_before, depth_trouble);
    let over = CancellationToken::new();
    // Also if a task panics: the screen must not outlive the run.
    let _over = over.clone().drop_guard();
    let watched = Watched {
        account: account.clone(),
        title: format!("loadgen run {} to {queue_url}", jobs.run_id()),
        objectives: args.objectives(),
        verified_share: args.verify.0,
    };
    let shown = view.show(watched, stop.clone(), over.clone());
    let (depth_sender, depths) = watch::channel(None);
    let probing = tokio::spawn(sample_depths(probe, account.clone(), depth_sender, over.clone()));
    let ticking = tokio::spawn(tick(account.clone(), over.clone()));

    let (job_sender, job_receiver) = unbounded_channel();
    let (delivery_sender, deliveries) = unbounded_channel();
    let in_flight = Arc::new(Semaphore::new(max_in_flight as usize));
    let pacer = tokio::spawn(sender::pace(jobs.clone(), in_flight, job_sender, account.clone(), stop.sending.clone()));
    let batcher = Batcher::new(job_receiver, args.linger);
    let sending = tokio::spawn({
        let (account, stop) = (account.clone(), stop.sending.clone());
        async move {
            sender::deliver_all(batcher, queue, args.send_attempts, delivery_sender, account.clone(), stop).await;
            account.now()
        }
    });
    let options = VerifyOptions {
        share: args.verify.0,
        lookups_per_second,
        drain_timeout: args.drain_timeout,
        recheck_after: args.recheck_after,
    };
    let verifier = Verifier::new(table, Judge::new(jobs.clone(), catalog), account.clone(), options, depths);
    let verifying = tokio::spawn(verifier.run(deliveries, stop.waiting.clone()));
    let all_handed_over = joined(pacer).await;
    let sending = joined(sending).await;
    let drain = joined(verifying).await;
    let drain_took = account.now().saturating_sub(sending);
    over.cancel();
    joined(probing).await;
    joined(ticking).await;
    joined(shown).await;

    let books = account.books();
    let requests = meter.requests();
    let (cpu, max_resident_bytes) = usage();
    let report = Report::new(
        Run {
            id: jobs.run_id().to_owned(),
            environment: environment(&config),
            settings: settings(&args, account.schedule()),
            started_at,
            sending,
            drain: drain.as_ref().copied().unwrap_or(drain_took),
            ended_early: !all_handed_over,
            requests,
            cost: Cost::new(&requests, aws::is_fifo(queue_url)),
            cpu: cpu.saturating_sub(cpu_before),
            max_resident_bytes,
            unverified: drain.as_ref().err().map(ToString::to_string),
            expected_catalog,
        },
        account.schedule(),
        &args.objectives(),
        &books,
    );
    // Whatever cannot be written, the rest is.
    let printed = print(&report.to_string(), output.as_ref());
    if let Some(output) = output {
        output.write(&json(&report))?;
    }
    printed?;
    drain?;
    books.sending_ended.map_or(Ok(exit_code(&report)), |cause| Err(RunError::Refused(cause)))
}

fn exit_code(report: &Report) -> u8 {
    match (report.slo_passed, report.valid) {
        (false, _) => EXIT_OBJECTIVE_MISSED,
        (true, false) => EXIT_INVALID,
        (true, true) => 0,
    }
}

/// Prints what a run would do.
fn dry_run(args: &Args) -> Result<u8, RunError> {
    let Inputs { jobs, schedule, catalog } = Inputs::read(args)?;
    let options = PlanOptions {
        linger: args.linger,
        lookups_per_second: args.lookups_per_second(schedule.peak()),
        verified_share: args.verify.0,
        second_look: !args.recheck_after.is_zero(),
        fifo: args.queue_url.as_deref().is_some_and(aws::is_fifo),
        dead_letter_queue: args.dead_letter_queue_url().is_some(),
        catalog: catalog.as_ref(),
    };
    let plan = Plan::new(&schedule, &jobs, options);
    print(&plan.to_string(), None).map(|()| 0)
}

/// Shows the report of an earlier run.
fn report(args: &ReportArgs) -> Result<u8, RunError> {
    let report = inputs::report(&args.report)?;
    let earlier = args.compare.as_deref().map(inputs::report).transpose()?;
    let html = args.html.as_deref().map(Output::open).transpose()?;
    let compared = earlier.as_ref().map_or(String::new(), |earlier| format!("\n{}", Comparison::new(earlier, &report)));
    print(&format!("{report}{compared}"), html.as_ref())?;
    html.map_or(Ok(()), |html| html.write(page(&report, earlier.as_ref()).as_bytes())).map(|()| 0)
}

/// As JSON that people can read.
fn json(report: &Report) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(report).expect("a report has only string keys and finite numbers");
    json.push(b'\n');
    json
}

/// Samples the queue's depth until `over`, and once more then.
async fn sample_depths(
    probe: DepthProbe,
    account: Account,
    depths: watch::Sender<DepthSample>,
    over: CancellationToken,
) {
    let mut ticks = interval(SAMPLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            () = over.cancelled() => true,
            _ = ticks.tick() => false,
        };
        let asked = Instant::now();
        let (depth, trouble) = probe.depth().await;
        if let Some(depth) = depth {
            depths.send_replace(Some((asked, depth)));
        }
        account.queue(depth, trouble);
        if last {
            return;
        }
    }
}

/// Keeps the backlog's course until `over`, also while no request is answered.
async fn tick(account: Account, over: CancellationToken) {
    // Within each second rather than at its edge.
    let mut ticks = interval_at(account.start() + SAMPLE_INTERVAL / 2, SAMPLE_INTERVAL);
    while over.run_until_cancelled(ticks.tick()).await.is_some() {
        account.tick();
    }
    account.tick();
}

/// What the task returned; its panic becomes the caller's.
async fn joined<T>(task: JoinHandle<T>) -> T {
    task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn required(value: Option<&String>) -> &str {
    value.expect("clap requires it unless the run is a dry one, which ends before")
}

fn environment(config: &SdkConfig) -> Environment {
    Environment {
        loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processors: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        region: config.region().map(ToString::to_string),
        endpoint_url: config.endpoint_url().map(ToOwned::to_owned),
    }
}

fn settings(args: &Args, schedule: &Schedule) -> Settings {
    let path = |path: &PathBuf| path.display().to_string();
    Settings {
        stages: schedule.stages().iter().map(StageSettings::from).collect(),
        arrivals: schedule.arrivals().as_str().to_owned(),
        warmup_seconds: args.warmup.as_secs_f64(),
        seed: args.seed,
        jobs: args.jobs.as_ref().map(path),
        zipf: args.zipf,
        duplicates: args.duplicates.0,
        conflicts: args.conflicts.0,
        invalid: args.invalid.0,
        top_k: args.top_k,
        filter_file: args.filter_file.as_ref().map(path),
        tenants: args.tenants,
        payload_bytes: args.payload_bytes.as_ref().map(|range| [*range.start(), *range.end()]),
        linger_seconds: args.linger.as_secs_f64(),
        max_in_flight: args.max_in_flight(schedule.peak()),
        send_attempts: args.send_attempts,
        verified_share: args.verify.0,
        lookups_per_second: args.lookups_per_second(schedule.peak()),
        catalog_info: args.catalog_info.as_ref().map(path),
        drain_timeout_seconds: args.drain_timeout.as_secs_f64(),
        late_after_seconds: args.late_after.as_secs_f64(),
        recheck_after_seconds: args.recheck_after.as_secs_f64(),
        max_lag_seconds: args.max_lag.as_secs_f64(),
        max_dropped: args.max_dropped.0,
        queue_url: args.queue_url.clone().unwrap_or_default(),
        results_table: args.results_table.clone().unwrap_or_default(),
    }
}
