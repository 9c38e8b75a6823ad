//! Answers GET and HEAD for a few pages, to probes and scrapers: plain HTTP/1, one request for each connection.
//!
//! Bounded in each direction: connections, the time that one may take, the size of a request's head. Bodies of requests
//! are not read. Pages are rendered on the worker's own runtime, so an answer shows that it is responsive.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// Most connections at once; a probe comes every few seconds, a scraper less often.
const CONNECTIONS_MAX: usize = 64;
/// Longest time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(2);
/// Longest time for a connection.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Most bytes that are kept of a request: its head, as nothing else is read.
const REQUEST_MAX_BYTES: usize = 16 << 10;
/// Pause after a connection could not be taken: mostly there are too many open files.
const PAUSE: Duration = Duration::from_secs(1);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// What its body is.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

impl Page {
    /// A line for people.
    pub fn text(status: StatusCode, line: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{line}\n") }
    }
}

/// An address that is listened on.
#[derive(Debug)]
pub struct Server(TcpListener);

impl Server {
    /// Takes an address.
    ///
    /// # Errors
    /// It is not this machine's, it is taken, or its port is for others.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// What is listened on: with port 0 the system chooses.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves what `page` has for a path, for as long as it is polled.
    pub async fn serve(self, page: impl Fn(&str) -> Option<Page> + Send + Sync + 'static) {
        let (page, room) = (Arc::new(page), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        loop {
            let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            match self.0.accept().await {
                Ok((connection, _)) => {
                    tokio::spawn(serve(connection, Arc::clone(&page), permit));
                }
                Err(error) => {
                    tracing::warn!(event = "not_accepted", %error, "a connection for /metrics or a probe was not accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn serve(
    connection: TcpStream,
    page: Arc<impl Fn(&str) -> Option<Page> + Send + Sync + 'static>,
    _permit: OwnedSemaphorePermit,
) {
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let response = response(request.method(), || page(request.uri().path()));
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).keep_alive(false).max_buf_size(REQUEST_MAX_BYTES);
    let served = http.serve_connection(TokioIo::new(connection), answer);
    // The client sees that it failed; nothing needs to be done here.
    if let Ok(Err(error)) = timeout(CONNECTION_TIME, served).await {
        tracing::debug!(%error, "a request for /metrics or a probe was not answered");
    }
}

fn response(method: &Method, page: impl FnOnce() -> Option<Page>) -> Response<Full<Bytes>> {
    let page = match *method {
        Method::GET | Method::HEAD => page().unwrap_or_else(|| Page::text(StatusCode::NOT_FOUND, "not found")),
        _ => Page::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD"),
    };
    let Page { status, content_type, body } = page;
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    async fn start() -> SocketAddr {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address().unwrap();
        tokio::spawn(server.serve(|path| (path == "/page").then(|| Page::text(StatusCode::OK, "here"))));
        address
    }

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await; // a reset after the answer is an end, too
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn pages_are_for_get_and_head_alone() {
        let address = start().await;
        let get = ask(address, b"GET /page?x=1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(get.starts_with("HTTP/1.1 200 OK\r\n") && get.ends_with("\r\n\r\nhere\n"), "{get}");
        let head = ask(address, b"HEAD /page HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(head.contains("content-length: 5\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
        let post = ask(address, b"POST /page HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").await;
        assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD\r\n"), "{post}");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused() {
        let address = start().await;
        for nonsense in [b"nonsense\r\n\r\n".to_vec(), vec![0xff; 100_000], [b"GET /", &*vec![b'x'; 100_000]].concat()]
        {
            let answer = ask(address, &nonsense).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        assert!(ask(address, b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n").await.contains("here"));
    }

    #[tokio::test]
    async fn those_who_say_nothing_are_sent_away_and_hold_nobody_up_for_long() {
        let address = start().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let began = Instant::now();
        assert!(ask(address, b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n").await.contains("here"));
        assert!(began.elapsed() < HEAD_TIME * 2, "{:?}", began.elapsed());
    }
}
