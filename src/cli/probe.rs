//! `nearline probe`: what a health check runs where there is no shell and no curl, as in an image with nothing but this
//! executable.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::output::CliError;

/// Longest wait for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// An answer is a line or two.
const ANSWER_MAX: u64 = 4096;

#[derive(Args)]
pub(super) struct ProbeArgs {
    /// Where the worker listens (`worker --listen`), such as 127.0.0.1:9464
    #[arg(value_name = "ADDRESS:PORT")]
    address: SocketAddr,
    /// Ask whether it receives messages (/readyz), not only whether it is alive (/healthz)
    #[arg(long)]
    ready: bool,
}

/// Asks, and fails unless the answer is 200.
pub(super) fn run(args: &ProbeArgs) -> Result<(), CliError> {
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let whom = format!("http://{}{path}", args.address);
    let answer = ask(args.address, path).map_err(CliError::io(whom.clone()))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    if status == "200" { Ok(()) } else { Err(CliError::Other(format!("{whom}: {status} {body}"))) }
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::telemetry::server::{Page, Server};

    async fn probe(address: SocketAddr, ready: bool) -> Result<(), String> {
        let asked = move || run(&ProbeArgs { address, ready }).map_err(|error| error.to_string());
        tokio::task::spawn_blocking(asked).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_probe_fails_unless_the_worker_says_that_it_is_well() {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address().unwrap();
        let serving = tokio::spawn(server.serve(|path| match path {
            "/healthz" => Some(Page::text(StatusCode::OK, "ok")),
            _ => Some(Page::text(StatusCode::SERVICE_UNAVAILABLE, "not ready: starting")),
        }));
        assert_eq!(probe(address, false).await, Ok(()));
        let refused = probe(address, true).await.unwrap_err();
        assert_eq!(refused, format!("http://{address}/readyz: 503 not ready: starting"));
        serving.abort();
        let _ = serving.await;
        assert!(probe(address, false).await.unwrap_err().contains("/healthz"));
    }
}
