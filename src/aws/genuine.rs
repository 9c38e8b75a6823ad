//! Tells answers of a service from those of somebody on the way: a proxy's page, a body that was lost.
//!
//! SQS and DynamoDB answer every call with a JSON object. A success with anything else would be read as an empty one:
//! nothing received, nothing found, all written.

use aws_sdk_sqs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;

/// Fails calls whose successful answer is not a JSON object.
#[derive(Debug)]
pub(super) struct JsonAnswers;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for JsonAnswers {
    fn name(&self) -> &'static str {
        "JsonAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default();
        if response.status().is_success() && body.trim_ascii_start().first() != Some(&b'{') {
            let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            return Err(
                format!("not a response from the service: {} bytes that begin with `{start}`", body.len()).into()
            );
        }
        Ok(())
    }
}
