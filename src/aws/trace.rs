//! X-Ray's header on calls. The SDK takes it from the environment, which has none where invocations are concurrent.

use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;

use crate::trace;

/// Adds the trace of the work that makes the call.
#[derive(Debug)]
pub(super) struct TraceHeader;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for TraceHeader {
    fn name(&self) -> &'static str {
        "TraceHeader"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(trace) = trace::current() {
            context.request_mut().headers_mut().try_insert("x-amzn-trace-id", trace)?;
        }
        Ok(())
    }
}
