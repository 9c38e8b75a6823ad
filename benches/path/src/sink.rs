//! SQS, DynamoDB and Bedrock in one process: answers in their wire formats, after a set time, and keeps books.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::Fault;
use crate::books::Books;
use crate::case::Shape;
use crate::http::{Request, answer};
use crate::tls::Tls;

/// As long as SQS's own.
const RECEIPT_PADDING: usize = 180;

/// How long the services take, and how many messages a receive hands out at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    pub(crate) model_ms: u64,
    pub(crate) service_ms: u64,
    pub(crate) batch: usize,
}

/// The services of one run.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) books: Books,
    shape: Shape,
    manners: Manners,
    answers: Vec<String>,
    more: Notify,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    #[serde(default = "one")]
    max_number_of_messages: usize,
    #[serde(default)]
    wait_time_seconds: u64,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
struct Entries {
    #[serde(rename = "Entries")]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    receipt_handle: String,
}

impl Sink {
    /// Starts on a free port.
    pub(crate) async fn start(
        shape: Shape,
        manners: Manners,
        tls: Option<&Tls>,
        answers: &[String],
    ) -> Result<(Arc<Self>, SocketAddr), Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answers = answers.iter().map(|body| answer(body)).collect();
        let sink = Arc::new(Self { books: Books::new(), shape, manners, answers, more: Notify::new() });
        let served = Arc::clone(&sink);
        let acceptor = tls.map(|tls| tls.acceptor.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sink, acceptor) = (Arc::clone(&served), acceptor.clone());
                tokio::spawn(async move {
                    stream.set_nodelay(true)?;
                    // A worker that ends cuts its connections.
                    match acceptor {
                        Some(acceptor) => sink.serve(acceptor.accept(stream).await?).await,
                        None => sink.serve(stream).await,
                    }
                });
            }
        });
        Ok((sink, address))
    }

    /// Puts jobs on the queue.
    pub(crate) fn offer(&self, jobs: usize) {
        self.books.offer(jobs);
        self.more.notify_waiters();
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(request) = Request::read(&mut stream, &mut buffer).await? {
            let answer = self.answer(&request.operation, request.body(&buffer)).await;
            request.finish(&mut buffer);
            match answer {
                Ok(answer) => {
                    stream.write_all(answer.as_bytes()).await?;
                    stream.flush().await?;
                }
                Err(fault) => {
                    self.books.fail(fault.to_string());
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn answer(&self, operation: &str, body: &[u8]) -> Result<String, Fault> {
        let taken = if operation == "InvokeModel" { self.manners.model_ms } else { self.manners.service_ms };
        if taken > 0 {
            sleep(Duration::from_millis(taken)).await;
        }
        Ok(match operation {
            "ReceiveMessage" => answer(&self.receive(serde_json::from_slice(body)?).await),
            "GetQueueAttributes" => answer(r#"{"Attributes":{"VisibilityTimeout":"300"}}"#),
            "BatchGetItem" => answer(r#"{"Responses":{"records":[]},"UnprocessedKeys":{}}"#),
            "InvokeModel" => self.answers[text_of(body)? % self.answers.len()].clone(),
            "PutItem" => {
                self.books.write(body);
                answer("{}")
            }
            "DeleteMessageBatch" => {
                let Entries { entries } = serde_json::from_slice(body)?;
                self.books.delete(entries.iter().filter_map(|entry| entry.receipt_handle.get(..8)?.parse().ok()));
                let done: Vec<String> = entries.iter().map(|entry| format!(r#"{{"Id":"{}"}}"#, entry.id)).collect();
                answer(&format!(r#"{{"Successful":[{}],"Failed":[]}}"#, done.join(",")))
            }
            other => return Err(format!("a call that no job needs: {other}").into()),
        })
    }

    async fn receive(&self, asked: Receive) -> String {
        self.books.received();
        let until = Instant::now() + Duration::from_secs(asked.wait_time_seconds);
        loop {
            let more = self.more.notified();
            let jobs = self.books.hand_out(asked.max_number_of_messages.min(self.manners.batch));
            if jobs.is_empty() && timeout_at(until, more).await.is_ok() {
                continue;
            }
            let mut text = String::from(r#"{"Messages":["#);
            let first = jobs.start;
            for job in jobs {
                let comma = if job == first { "" } else { "," };
                let body = self.shape.escaped_body(job);
                let _ = write!(
                    text,
                    r#"{comma}{{"MessageId":"5fea7756-0ea4-451a-a703-{job:012}","ReceiptHandle":"{job:08}{:A<RECEIPT_PADDING$}","MD5OfBody":"9e107d9d372bb6826bd81d3542a419d6","Body":"{body}","Attributes":{{"SentTimestamp":"1795000000000","ApproximateReceiveCount":"1"}}}}"#,
                    ""
                ); // writing to a String cannot fail
            }
            return text + "]}";
        }
    }
}

/// The number of the text that is to be embedded.
fn text_of(body: &[u8]) -> Result<usize, Fault> {
    let at = memchr::memmem::find(body, b"text 0").ok_or("a text that no job has is embedded")? + 5;
    Ok(str::from_utf8(body.get(at..at + 8).ok_or("a text is too short")?)?.parse()?)
}
