//! The command line as scripts use it, and that nothing outlives it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

mod processes;
use processes::{ended, is_running};

const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_bootstrap.py");

/// What a killed devstack cannot remove, and what a failed one keeps for reading, goes with `folder`.
fn devstack(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devstack"));
    command.args(arguments).env("TMPDIR", folder).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
}

/// Waits for the child's end: its exit code and what it said.
async fn end(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    (child.wait().await.unwrap().code(), said)
}

async fn appears(file: &Path, child: &mut Child) -> String {
    for _ in 0..3000 {
        if let Ok(content) = std::fs::read_to_string(file) {
            return content;
        }
        assert!(child.try_wait().unwrap().is_none(), "ended without writing {}", file.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} did not appear within 60 s", file.display());
}

fn settings(content: &str) -> HashMap<String, String> {
    content.lines().map(|line| line.split_once('=').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// The processes that this one has started.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    processes
        .filter(|process: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            let fields = stat.rsplit(')').next().unwrap_or_default();
            fields.split_whitespace().nth(1) == Some(&parent.to_string())
        })
        .collect()
}

#[tokio::test]
async fn up_describes_itself_in_a_file_and_takes_all_back_at_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stack.env");
    std::fs::write(&file, "left by a killed run").unwrap();
    let mut up = devstack(folder.path(), &["up", "--env-file", file.to_str().unwrap()]).spawn().unwrap();
    while std::fs::read_to_string(&file).is_ok_and(|content| content.starts_with("left")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let content = appears(&file, &mut up).await;
    let settings = settings(&content);
    for name in
        ["AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "NEARLINE_QUEUE_URL", "NEARLINE_CATALOG"]
    {
        assert!(settings.contains_key(name), "{name} is missing in {content}");
    }
    // A shell reads the same.
    let script = format!("set -a; . {}; exec printenv NEARLINE_QUEUE_URL", file.display());
    let shell = Command::new("sh").args(["-c", &script]).output().await.unwrap();
    assert_eq!(String::from_utf8(shell.stdout).unwrap().trim_end(), settings["NEARLINE_QUEUE_URL"]);

    let endpoint = settings["AWS_ENDPOINT_URL"].strip_prefix("http://").unwrap();
    assert!(tokio::net::TcpStream::connect(endpoint).await.is_ok());
    signal(&up, Signal::TERM);
    let (code, said) = end(up).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(!file.exists());
    assert!(tokio::net::TcpStream::connect(endpoint).await.is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_outlives_a_killed_devstack() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stack.env");
    let mut up = devstack(folder.path(), &["up", "--env-file", file.to_str().unwrap()]).spawn().unwrap();
    let settings = settings(&appears(&file, &mut up).await);
    let stats_file = folder.path().join("stats.json");
    let arguments = ["lambda", "--bootstrap", FAKE, "--concurrency", "2", "--stats-file", stats_file.to_str().unwrap()];
    let mut lambda = devstack(folder.path(), &arguments).envs(&settings).spawn().unwrap();
    let stats: serde_json::Value = serde_json::from_str(&appears(&stats_file, &mut lambda).await).unwrap();
    let bootstrap = u32::try_from(stats["bootstrap_pid"].as_u64().unwrap()).unwrap();

    for (mut command, one_of_them) in [(lambda, Some(bootstrap)), (up, None)] {
        let started = children(command.id().unwrap());
        assert!(started.len() >= 2, "the process and its watchdog: {started:?}");
        assert!(one_of_them.is_none_or(|process| started.contains(&process)));
        assert!(started.iter().all(|&process| is_running(process)));
        signal(&command, Signal::KILL);
        command.wait().await.unwrap();
        for process in started {
            ended(process).await;
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn up_ends_with_a_reason_if_ministack_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stack.env");
    let mut up = devstack(folder.path(), &["up", "--env-file", file.to_str().unwrap()]).spawn().unwrap();
    appears(&file, &mut up).await;
    let is_ministack = |process: &u32| {
        std::fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|command| command.contains("ministack"))
    };
    let ministack = children(up.id().unwrap()).into_iter().find(is_ministack).unwrap();
    kill_process(Pid::from_raw(ministack.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let (code, said) = end(up).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("devstack: MiniStack ended unexpectedly (signal: 9 (SIGKILL)); its log is "), "{said}");
    assert!(!file.exists());
}

#[tokio::test]
async fn lambda_works_a_queue_off_and_sums_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stack.env");
    let mut up = devstack(folder.path(), &["up", "--env-file", file.to_str().unwrap()]).spawn().unwrap();
    let settings = settings(&appears(&file, &mut up).await);
    let stats_file = folder.path().join("stats.json");
    let arguments = ["lambda", "--bootstrap", FAKE, "--concurrency", "3", "--stats-file", stats_file.to_str().unwrap()];
    let mut lambda = devstack(folder.path(), &arguments).envs(&settings).spawn().unwrap();
    appears(&stats_file, &mut lambda).await;
    signal(&lambda, Signal::INT);
    let (code, said) = end(lambda).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 invocations, at most 0 in flight at once; 0 messages done"), "{said}");
    let stats: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&stats_file).unwrap()).unwrap();
    assert_eq!(stats["invocations"], 0);
    signal(&up, Signal::TERM);
    assert_eq!(end(up).await.0, Some(0));
}

#[tokio::test]
async fn wrong_usage_is_2_and_failure_is_1_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = end(devstack(folder.path(), &["up"]).spawn().unwrap()).await;
    assert_eq!(code, Some(2), "{said}");
    let (code, said) =
        end(devstack(folder.path(), &["bedrock", "--port", "0", "--error-rate", "2"]).spawn().unwrap()).await;
    assert_eq!((code, said.as_str()), (Some(2), "devstack: error rate must be 0 to 1, was 2\n"));
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = end(devstack(folder.path(), &["bedrock", "--port", &port]).spawn().unwrap()).await;
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with(&format!("devstack: cannot listen on 127.0.0.1:{port}: Address already in use")),
        "{said}"
    );
}
