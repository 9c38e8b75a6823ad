//! The calls of every job, as the SDK makes them but without its machinery, which costs several times the call itself.
//!
//! Nothing is resolved here. The SDK makes the first call of an operation, and what it has sent is the pattern of those
//! that follow: endpoint, headers, region and connections are its own. Bodies are written by us, signatures are those
//! of its library, credentials come from its cache. Only a plain success is read here. Any other answer is handed to
//! the SDK as if it had just received it, so that errors, retries and faults are its own too; and whatever it does not
//! sign by Signature Version 4 with headers, it keeps doing by itself.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme as _, AuthSchemeId};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{ResolveCachedIdentity as _, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use http_body_util::BodyExt as _;
use tokio::task::futures::TaskLocalFuture;
use tokio::task_local;
use tokio::time::timeout;

use super::signature::{self, Signed, Signer};
use crate::trace;

/// Longest wait for the first byte of an answer. Above an SQS long poll (20 s), below a Lambda timeout (60 s).
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Headers of one attempt; the SDK counts attempts with them, which has nothing to count here.
const OF_AN_ATTEMPT: [&str; 6] = [
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "content-length",
    "x-amz-date",
    "x-amz-security-token",
];
const TRACE: &str = "x-amzn-trace-id";

task_local! {
    /// The call that the SDK makes in this task for an operation of ours.
    static BY_SDK: BySdk;
}

pub(super) struct BySdk {
    pattern: Arc<OnceLock<Pattern>>,
    heard: RefCell<Option<Heard>>,
}

/// What a service said to a call, or why it said nothing. Bodies are whole.
type Heard = Result<HttpResponse, ConnectorError>;

/// Why a call was not answered here: the SDK has to make it, or to read what was heard.
#[derive(Debug)]
pub(super) struct Unanswered(Option<Heard>);

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    pattern: Arc<OnceLock<Pattern>>,
    limit: Duration,
}

impl Direct {
    /// An operation that takes at most `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self { pattern: Arc::default(), limit }
    }

    /// Makes the call; `read` takes a JSON object that came with a success, if it is all that matters.
    pub(super) async fn call<T>(
        &self,
        body: impl FnOnce() -> Vec<u8>,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, Unanswered> {
        let Some(pattern) = self.pattern.get() else { return Err(Unanswered(None)) };
        let Some(request) = pattern.request(body()).await else { return Err(Unanswered(None)) };
        let heard = timeout(self.limit, pattern.send(request)).await;
        let heard = heard.unwrap_or_else(|late| Err(ConnectorError::timeout(late.into())));
        let answer = heard.as_ref().ok().filter(|answer| answer.status().as_u16() == 200);
        let body = answer.and_then(|answer| answer.body().bytes()).filter(|body| body.first() == Some(&b'{'));
        body.and_then(read).ok_or(Unanswered(Some(heard)))
    }

    /// Lets the SDK make the call, or continue from what was received. On the heap: the SDK's futures take some 10 KB,
    /// and this is seldom.
    pub(super) fn by_sdk<F: Future>(&self, unanswered: Unanswered, call: F) -> Pin<Box<TaskLocalFuture<BySdk, F>>> {
        let by_sdk = BySdk { pattern: Arc::clone(&self.pattern), heard: RefCell::new(unanswered.0) };
        Box::pin(BY_SDK.scope(by_sdk, call))
    }
}

/// What the calls of an operation have in common.
#[derive(Debug)]
struct Pattern {
    /// Without a body.
    request: Mutex<HttpRequest>,
    signer: Signer,
    connector: SharedHttpConnector,
    identities: SharedIdentityResolver,
    components: RuntimeComponents,
    nothing_set: ConfigBag,
}

impl Pattern {
    /// Of a request that is about to be sent.
    fn of(sent: &HttpRequest, components: &RuntimeComponents, settings: &HttpConnectorSettings) -> Option<Self> {
        // AWS4-HMAC-SHA256 Credential=AKID/20261128/eu-central-1/sqs/aws4_request, SignedHeaders=...
        let credential = sent.headers().get("authorization")?.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
        let mut scope = credential.split(',').next()?.rsplit('/').skip(1);
        let (service, region) = (scope.next()?.to_owned(), scope.next()?.to_owned());
        let uri: http::Uri = sent.uri().parse().ok()?;
        // Signatures normalise such paths, which no endpoint of AWS has.
        let unusual = uri.path().contains("/.") || uri.path().contains("//");
        if sent.method() != "POST" || uri.query().is_some() || unusual {
            return None;
        }
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method("POST").ok()?;
        request.set_uri(sent.uri()).ok()?;
        let headers = request.headers_mut();
        let common = sent.headers().iter().filter(|(name, _)| *name != TRACE && !OF_AN_ATTEMPT.contains(name));
        for (name, value) in common {
            headers.try_insert(name.to_owned(), value.to_owned()).ok()?;
        }
        headers.try_insert("host", uri.authority()?.as_str().to_owned()).ok()?;
        let scheme = components.auth_scheme(AuthSchemeId::from("sigv4"))?;
        Some(Self {
            signer: Signer::new(uri.path(), request.headers().iter(), region, service),
            request: Mutex::new(request),
            connector: components.http_client()?.http_connector(settings, components),
            identities: scheme.identity_resolver(components)?,
            components: components.clone(),
            nothing_set: ConfigBag::base(),
        })
    }

    /// A signed request; `None` if that cannot be.
    async fn request(&self, body: Vec<u8>) -> Option<HttpRequest> {
        let cache = self.components.identity_cache();
        let identity = cache.resolve_cached_identity(self.identities.clone(), &self.components, &self.nothing_set);
        let identity = identity.await.ok()?;
        let now = self.components.time_source()?.now();
        let Signed { date, token, authorization } = self.signer.sign(&body, identity.data::<Credentials>()?, now);
        let mut request = self.request.lock().unwrap_or_else(PoisonError::into_inner).try_clone()?;
        let headers = request.headers_mut();
        headers.try_insert(signature::DATE, date).ok()?;
        headers.try_insert("authorization", authorization).ok()?;
        if let Some(token) = token {
            headers.try_insert(signature::TOKEN, token).ok()?;
        }
        if let Some(trace) = trace::current() {
            headers.try_insert(TRACE, trace).ok()?;
        }
        *request.body_mut() = SdkBody::from(body);
        Some(request)
    }

    async fn send(&self, request: HttpRequest) -> Heard {
        let mut answer = self.connector.call(request).await?;
        let body = std::mem::replace(answer.body_mut(), SdkBody::taken()).collect().await;
        *answer.body_mut() = body.map_err(ConnectorError::io)?.to_bytes().into();
        Ok(answer)
    }
}

/// Takes the pattern of an operation from what the SDK sends.
#[derive(Debug)]
pub(super) struct TakePattern;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for TakePattern {
    fn name(&self) -> &'static str {
        "TakePattern"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let _ = BY_SDK.try_with(|by_sdk| {
            let timeouts = config.load::<TimeoutConfig>();
            let mut settings = HttpConnectorSettings::builder();
            settings.set_connect_timeout(timeouts.and_then(TimeoutConfig::connect_timeout));
            settings.set_read_timeout(timeouts.and_then(TimeoutConfig::read_timeout));
            if by_sdk.pattern.get().is_none()
                && let Some(pattern) = Pattern::of(context.request(), components, &settings.build())
            {
                let _ = by_sdk.pattern.set(pattern); // another task was faster
            }
        });
        Ok(())
    }
}

/// Answers the first call of [`Direct::by_sdk`] with what was heard, and all others by another client.
#[derive(Debug)]
pub(super) struct Hearing(pub(super) SharedHttpClient);

impl HttpClient for Hearing {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(HearingConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct HearingConnector(SharedHttpConnector);

impl HttpConnector for HearingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match BY_SDK.try_with(|by_sdk| by_sdk.heard.take()) {
            Ok(Some(heard)) => HttpConnectorFuture::ready(heard),
            _ => self.0.call(request),
        }
    }
}
