//! The proxy itself: takes a call, asks what stands and the plan, forwards it, and spoils what it was told to spoil.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::{Value, json};

use super::answer;
use super::call::{Call, Service};
use super::counts::{Counts, ProxyReport};
use super::edit::{self, Edited};
use super::fault::FaultKind;
use super::plan::{Plan, Planned};
use super::standing::{Standing, StandingFault, StandingFaults};
use crate::DevstackError;
use crate::broken_body::{cut, dribble};
use crate::listener::Connection;
use crate::server::Server;

/// What is read whole to be edited, cut or dribbled; larger bodies pass as they are, in a stream.
const BUFFER_MAX_BYTES: usize = 32 << 20;
/// Below the five seconds after which MiniStack closes idle connections: a call must not meet one that is closing.
const IDLE_CONNECTION: Duration = Duration::from_secs(1);
/// The pieces of a dribbled body.
const DRIBBLE_PIECES: u32 = 10;
/// Where the faults that stand are read, and replaced as a whole.
pub const FAULTS_PATH: &str = "/_devstack/faults";
/// Headers of one connection, not of the call.
const HOP_BY_HOP: [HeaderName; 5] =
    [header::CONNECTION, header::EXPECT, header::TE, header::TRANSFER_ENCODING, header::UPGRADE];
const DYNAMODB_CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Between whom it stands, and what it plays.
#[derive(Debug, Clone)]
pub struct ProxyOptions {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where SQS, DynamoDB and S3 are: `http://HOST:PORT`.
    pub upstream: String,
    /// Where Bedrock is.
    pub bedrock_upstream: String,
    /// Seed of the faults.
    pub seed: u64,
    /// The share of calls that meet one, 0 to 1.
    pub rate: f64,
    /// The kinds to choose from, each as often as the others.
    pub kinds: Vec<FaultKind>,
    /// The longest delay, and the longest time that a dribbled body takes.
    pub max_delay: Duration,
    /// How many times as fast the waits pass that clients of SQS ask for by `ChangeMessageVisibility`.
    pub hurry: u32,
}

impl ProxyOptions {
    /// Every kind of fault for a twentieth of the calls, with delays of up to a second.
    pub fn new(upstream: impl Into<String>, bedrock_upstream: impl Into<String>) -> Self {
        Self {
            port: 0,
            upstream: upstream.into(),
            bedrock_upstream: bedrock_upstream.into(),
            seed: 0,
            rate: 0.05,
            kinds: FaultKind::all().to_vec(),
            max_delay: Duration::from_secs(1),
            hurry: 1,
        }
    }
}

/// A running proxy; it stops when dropped.
#[derive(Debug)]
pub struct ProxyServer {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
    bedrock_upstream: Authority,
    seed: u64,
    rate: f64,
    max_delay: Duration,
    hurry: u32,
    plan: Plan,
    standing: StandingFaults,
    counts: Counts,
}

impl ProxyServer {
    /// Starts a proxy; it forwards when this returns.
    pub async fn start(options: ProxyOptions) -> Result<Self, DevstackError> {
        let ProxyOptions { port, seed, rate, max_delay, hurry, .. } = options;
        if !(0.0..=1.0).contains(&rate) {
            return Err(DevstackError::Option(format!("rate must be 0 to 1, was {rate}")));
        }
        if hurry == 0 {
            return Err(DevstackError::Option("hurry must be at least 1".into()));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let shared = Arc::new(Shared {
            client,
            upstream: authority(&options.upstream)?,
            bedrock_upstream: authority(&options.bedrock_upstream)?,
            seed,
            rate,
            max_delay,
            hurry,
            standing: StandingFaults::default(),
            plan: Plan::new(seed, rate, options.kinds),
            counts: Counts::default(),
        });
        let routes = Router::new()
            .route(FAULTS_PATH, get(faults).put(set_faults))
            .fallback(any(handle))
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(port, routes).await?, shared })
    }

    /// The address for `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Every call that arrives from now on and fits one of these meets it; none of those before stand any more.
    pub fn set_faults(&self, faults: Vec<StandingFault>) {
        self.shared.standing.set(faults);
    }

    /// The counts until now.
    pub fn report(&self) -> ProxyReport {
        self.shared.counts.report(self.shared.seed, self.shared.rate)
    }

    /// Ends it; returns once the port is closed. The final counts.
    pub async fn stop(self) -> ProxyReport {
        self.server.stop().await;
        self.shared.counts.report(self.shared.seed, self.shared.rate)
    }
}

fn authority(upstream: &str) -> Result<Authority, DevstackError> {
    let wrong = || DevstackError::Option(format!("an upstream must be http://HOST:PORT, was {upstream}"));
    let uri: Uri = upstream.parse().map_err(|_| wrong())?;
    match (uri.scheme(), uri.authority(), uri.path()) {
        (Some(scheme), Some(authority), "/") if *scheme == Scheme::HTTP => Ok(authority.clone()),
        _ => Err(wrong()),
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(call) = Call::of(&parts) else { return shared.forward(&shared.upstream, parts, body).await };
    shared.counts.request(&call);
    if let Some(standing) = shared.standing.of(&call, &parts.uri) {
        shared.counts.stood(&call);
        match standing {
            Standing::AccessDenied => return answer::access_denied(&call),
            Standing::Throttle => return answer::throttle(&call, true),
            Standing::DelayMs(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        }
    }
    match shared.plan.next(&call) {
        Some(planned) => shared.play(&connection, &call, planned, parts, body).await,
        None => shared.forward_call(&call, parts, body).await,
    }
}

async fn faults(State(shared): State<Arc<Shared>>) -> Json<Vec<StandingFault>> {
    Json(shared.standing.all())
}

async fn set_faults(State(shared): State<Arc<Shared>>, Json(faults): Json<Vec<StandingFault>>) -> StatusCode {
    shared.standing.set(faults);
    StatusCode::NO_CONTENT
}

impl Shared {
    async fn play(&self, connection: &Connection, call: &Call, planned: Planned, parts: Parts, body: Body) -> Response {
        let delay = self.max_delay.mul_f64(planned.share);
        match planned.kind {
            FaultKind::Redelivery => return self.redeliver(call, planned, parts, body).await,
            FaultKind::FailedEntry | FaultKind::UnprocessedKeys => {
                return self.leave_out(call, planned, parts, body).await;
            }
            FaultKind::TruncatedBody | FaultKind::SlowBody => {
                let answer = self.forward_call(call, parts, body).await;
                return self.spoil_body(call, planned, answer).await;
            }
            _ => self.counts.fault(call, planned.kind),
        }
        match planned.kind {
            FaultKind::DelayBefore => {
                tokio::time::sleep(delay).await;
                self.forward_call(call, parts, body).await
            }
            FaultKind::DelayAfter => {
                let answer = self.forward_call(call, parts, body).await;
                tokio::time::sleep(delay).await;
                answer
            }
            FaultKind::ResetAfter => {
                self.forward_call(call, parts, body).await;
                connection.reset().await
            }
            FaultKind::ErrorAfter => {
                self.forward_call(call, parts, body).await;
                answer::error(call, planned.coin)
            }
            FaultKind::Error => answer::error(call, planned.coin),
            FaultKind::Throttle => answer::throttle(call, planned.coin),
            FaultKind::Html => answer::html(),
            // The others are done with above.
            _ => connection.reset().await,
        }
    }

    async fn forward_call(&self, call: &Call, mut parts: Parts, mut body: Body) -> Response {
        if self.hurry > 1 && call.changes_visibility() {
            let asked = match whole(body).await {
                Ok(asked) => asked,
                Err(refusal) => return refusal,
            };
            parts.headers.remove(header::CONTENT_LENGTH);
            body = edit::hurried(&asked, self.hurry).unwrap_or(asked).into();
        }
        let upstream = if call.service == Service::Bedrock { &self.bedrock_upstream } else { &self.upstream };
        self.forward(upstream, parts, body).await
    }

    async fn forward(&self, upstream: &Authority, mut parts: Parts, body: Body) -> Response {
        parts.uri = at(upstream, &parts.uri);
        remove_hop_by_hop(&mut parts.headers);
        parts.headers.remove(header::HOST);
        match self.client.request(Request::from_parts(parts, body)).await {
            Ok(answer) => {
                let (mut head, body) = answer.into_parts();
                remove_hop_by_hop(&mut head.headers);
                Response::from_parts(head, Body::new(body))
            }
            Err(error) => {
                self.counts.upstream_failure();
                tracing::warn!(%error, "a service could not be reached");
                (StatusCode::BAD_GATEWAY, format!("devstack proxy: {error}\n")).into_response()
            }
        }
    }

    /// Has a message of the answer delivered once more, while its receiver works on it.
    async fn redeliver(&self, call: &Call, planned: Planned, parts: Parts, body: Body) -> Response {
        let asked = match whole(body).await {
            Ok(asked) => asked,
            Err(refusal) => return refusal,
        };
        let mut again = parts.clone();
        let (head, received) = match self.forward_whole(call, parts, asked.clone()).await {
            Ok(answer) => answer,
            Err(failure) => return failure,
        };
        if let Some(change) = visible_again(&asked, &received, planned) {
            again.headers.remove(header::CONTENT_LENGTH);
            again.headers.insert(TARGET, HeaderValue::from_static("AmazonSQS.ChangeMessageVisibility"));
            if self.forward_call(call, again, change.into()).await.status().is_success() {
                self.counts.fault(call, planned.kind);
            }
        }
        Response::from_parts(head, received.into())
    }

    /// Forwards a batch in part, and answers for the rest.
    async fn leave_out(&self, call: &Call, planned: Planned, mut parts: Parts, body: Body) -> Response {
        let asked = match whole(body).await {
            Ok(asked) => asked,
            Err(refusal) => return refusal,
        };
        let edited = match planned.kind {
            FaultKind::UnprocessedKeys => edit::without_keys(&asked, planned),
            _ => edit::without_an_entry(&asked, planned),
        };
        let Some(edited) = edited else { return self.forward_call(call, parts, asked.into()).await };
        let Some(request) = edited.request.clone() else {
            self.counts.fault(call, planned.kind);
            let headers = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
            return (headers, edited.answer(None).unwrap_or_default()).into_response();
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        match self.forward_whole(call, parts, request).await {
            Ok((head, answer)) if head.status.is_success() => self.fill_in(call, planned, &edited, head, &answer),
            Ok((head, answer)) => Response::from_parts(head, answer.into()),
            Err(failure) => failure,
        }
    }

    fn fill_in(
        &self,
        call: &Call,
        planned: Planned,
        edited: &Edited,
        mut head: axum::http::response::Parts,
        answer: &[u8],
    ) -> Response {
        let Some(filled) = edited.answer(Some(answer)) else {
            self.counts.upstream_failure();
            return (StatusCode::BAD_GATEWAY, "devstack proxy: not a service's answer\n").into_response();
        };
        self.counts.fault(call, planned.kind);
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(DYNAMODB_CHECKSUM);
        Response::from_parts(head, filled.into())
    }

    async fn spoil_body(&self, call: &Call, planned: Planned, answer: Response) -> Response {
        let (mut head, body) = answer.into_parts();
        if body.size_hint().lower() > BUFFER_MAX_BYTES as u64 {
            return Response::from_parts(head, body);
        }
        let body = match whole(body).await {
            Ok(body) => body,
            Err(failure) => return failure,
        };
        if body.is_empty() {
            return Response::from_parts(head, body.into());
        }
        self.counts.fault(call, planned.kind);
        head.headers.insert(header::CONTENT_LENGTH, body.len().into());
        let spoiled = if planned.kind == FaultKind::TruncatedBody {
            cut(&body, planned.pick(body.len()))
        } else {
            dribble(&body, DRIBBLE_PIECES as usize, self.max_delay.mul_f64(planned.share) / DRIBBLE_PIECES)
        };
        Response::from_parts(head, spoiled)
    }

    /// Forwards and reads the answer whole.
    async fn forward_whole(
        &self,
        call: &Call,
        parts: Parts,
        body: Bytes,
    ) -> Result<(axum::http::response::Parts, Bytes), Response> {
        let (head, body) = self.forward_call(call, parts, body.into()).await.into_parts();
        Ok((head, whole(body).await?))
    }
}

async fn whole(body: Body) -> Result<Bytes, Response> {
    to_bytes(body, BUFFER_MAX_BYTES).await.map_err(|error| {
        tracing::warn!(%error, "a body could not be read whole");
        (StatusCode::BAD_GATEWAY, format!("devstack proxy: {error}\n")).into_response()
    })
}

/// The call that makes one of the received messages visible again.
fn visible_again(asked: &[u8], received: &[u8], planned: Planned) -> Option<Bytes> {
    let (asked, received): (Value, Value) =
        (serde_json::from_slice(asked).ok()?, serde_json::from_slice(received).ok()?);
    let messages = received.get("Messages")?.as_array().filter(|messages| !messages.is_empty())?;
    let receipt = messages[planned.pick(messages.len())].get("ReceiptHandle")?;
    let change = json!({"QueueUrl": asked.get("QueueUrl")?, "ReceiptHandle": receipt, "VisibilityTimeout": 0});
    Some(change.to_string().into())
}

fn at(upstream: &Authority, uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let built = Uri::builder().scheme(Scheme::HTTP).authority(upstream.clone()).path_and_query(path).build();
    built.expect("scheme, authority and path are valid each for itself")
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}
