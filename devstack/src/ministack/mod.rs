//! `MiniStack`, which stands in for SQS, DynamoDB and S3: one process on a free port of 127.0.0.1.
//!
//! It is installed on first use, and keeps everything in memory. It sees nothing of the caller's
//! environment, so that no profile, credential or endpoint of the developer can reach it. It ends with its owner.

mod install;
mod tail;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::Instant;

use self::tail::last_lines;
use crate::DevstackError;
use crate::process::ProcessGroup;

/// It takes half a second; a busy machine with a cold disk may take long.
const START_TIMEOUT: Duration = Duration::from_mins(1);
const HEALTH_INTERVAL: Duration = Duration::from_millis(25);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a port may be lost to somebody else between choosing and binding it.
const PORT_ATTEMPTS: usize = 5;
const LOG_FILE: &str = "ministack.log";
const LOG_TAIL_LINES: usize = 20;

/// A running `MiniStack`; it ends when dropped, or with this process.
#[derive(Debug)]
pub struct MiniStack {
    // Ends before its folder goes.
    process: ProcessGroup,
    port: u16,
    folder: TempDir,
}

impl MiniStack {
    /// Starts a new one, empty. On a machine that has none yet this installs it first, with a line on stderr.
    pub async fn start() -> Result<Self, DevstackError> {
        let python = tokio::task::spawn_blocking(install::python).await.expect("installing does not panic")?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&python).await? {
                Some(started) => return Ok(started),
                None if attempt == PORT_ATTEMPTS => {
                    return Err(DevstackError::NoPort { attempts: PORT_ATTEMPTS });
                }
                None => attempt += 1,
            }
        }
    }

    /// `None` if somebody else took the port.
    async fn start_once(python: &Path) -> Result<Option<Self>, DevstackError> {
        let port = free_port().await?;
        let folder = tempfile::Builder::new()
            .prefix("devstack-ministack-")
            .tempdir()
            .map_err(DevstackError::file("create a folder in", std::env::temp_dir()))?;
        let log = folder.path().join(LOG_FILE);
        let output = std::fs::File::create(&log).map_err(DevstackError::file("create", &log))?;
        let errors = output.try_clone().map_err(DevstackError::file("open", &log))?;
        // Its health answer repeats this, which tells our instance from one that won a race for the port.
        let identity = format!("devstack-{:016x}", rand::random::<u64>());
        let mut command = Command::new(python);
        command
            .args(["-c", "from ministack.app import main; main()"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("LANG", "C.UTF-8")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("IOT_MTLS_ENABLED", "0")
            .env("LOG_LEVEL", "WARNING")
            .env("MINISTACK_EDITION", &identity)
            .current_dir(folder.path())
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors));
        let mut process = ProcessGroup::spawn(command, "remove the cache folder to install MiniStack again").await?;

        let deadline = Instant::now() + START_TIMEOUT;
        let what = loop {
            match health(port).await {
                Some(answer) if answer.contains(&identity) => return Ok(Some(Self { process, port, folder })),
                Some(_) => return Ok(None),
                None => {}
            }
            if let Ok(status) = tokio::time::timeout(HEALTH_INTERVAL, process.wait()).await {
                if std::fs::read_to_string(&log).unwrap_or_default().contains("already in use") {
                    return Ok(None);
                }
                break match status {
                    Ok(status) => format!("ended while starting ({status})"),
                    Err(error) => format!("was lost while starting ({error})"),
                };
            }
            if Instant::now() > deadline {
                break format!("did not answer within {} s", START_TIMEOUT.as_secs());
            }
        };
        let tail = log_tail(&log);
        let log = folder.keep().join(LOG_FILE);
        Err(DevstackError::MiniStack { what, log, tail })
    }

    /// The address for `AWS_ENDPOINT_URL`: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process id of its server.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it ends by itself, which it should not; says how, and keeps its log.
    pub async fn ended(&mut self) -> DevstackError {
        let what = match self.process.wait().await {
            Ok(status) => format!("ended unexpectedly ({status})"),
            Err(error) => format!("was lost ({error})"),
        };
        self.folder.disable_cleanup(true);
        let log = self.folder.path().join(LOG_FILE);
        let tail = log_tail(&log);
        DevstackError::MiniStack { what, log, tail }
    }

    /// Ends it with all its processes; returns once they are gone. What it stored is lost.
    pub async fn stop(self) {
        // It has nothing to save, and its way of ending can leave children behind.
        self.process.stop(Duration::ZERO).await;
    }
}

async fn free_port() -> Result<u16, DevstackError> {
    let listen = |source| DevstackError::Listen { port: 0, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(listen)?;
    Ok(listener.local_addr().map_err(listen)?.port())
}

/// What the health page on the port says; `None` while nothing listens.
async fn health(port: u16) -> Option<String> {
    let request = format!("GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, exchange).await.ok()?.ok()?;
    (!answer.is_empty()).then_some(answer)
}

fn log_tail(log: &Path) -> String {
    last_lines(&std::fs::read_to_string(log).unwrap_or_default(), LOG_TAIL_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_nobody_serves_has_no_health() {
        let port = free_port().await.unwrap();
        assert_eq!(health(port).await, None);
    }
}
