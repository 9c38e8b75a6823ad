//! Batch jobs on Bedrock (`CreateModelInvocationJob`), with their files in S3.

use std::path::Path;
use std::pin::Pin;

use aws_config::SdkConfig;
use aws_sdk_bedrock::Client;
use aws_sdk_bedrock::error::BuildError;
use aws_sdk_bedrock::operation::create_model_invocation_job::CreateModelInvocationJobError;
use aws_sdk_bedrock::types::{
    ModelInvocationJobInputDataConfig, ModelInvocationJobOutputDataConfig, ModelInvocationJobS3InputDataConfig,
    ModelInvocationJobS3OutputDataConfig, ModelInvocationJobStatus, S3InputFormat,
};
use aws_sdk_s3::primitives::ByteStream;
use tokio::io::AsyncBufRead;

use super::errors::fault;
use super::s3;
use crate::catalog::ObjectName;
use crate::embed::batch::{Batches, JobState, JobStatus, NewJob};
use crate::fault::{Call, Cause, Fault};

/// Batch jobs of the account, and objects of all buckets that the credentials reach.
#[derive(Debug, Clone)]
pub struct BedrockBatches {
    bedrock: Client,
    s3: aws_sdk_s3::Client,
}

impl BedrockBatches {
    /// Jobs of the account of `config`, with their files where `s3` has them.
    pub fn new(config: &SdkConfig, s3: aws_sdk_s3::Client) -> Self {
        Self { bedrock: Client::new(config), s3 }
    }

    /// The job that was started under a name; `None` if there is none.
    async fn find(&self, name: &str) -> Result<Option<String>, Fault> {
        let listed = self.bedrock.list_model_invocation_jobs().name_contains(name).send().await;
        let listed = listed.map_err(|error| fault(&error, Call::new("Bedrock", "ListModelInvocationJobs", name)))?;
        let mut jobs = listed.invocation_job_summaries.unwrap_or_default().into_iter();
        Ok(jobs.find(|job| job.job_name == name).map(|job| job.job_arn))
    }
}

impl Batches for BedrockBatches {
    type Answers = Pin<Box<dyn AsyncBufRead + Send>>;

    async fn upload(&self, uri: &str, file: &Path) -> Result<(), Fault> {
        let body = ByteStream::from_path(file).await;
        let body = body.map_err(|error| Fault::new(Cause::Internal, format!("{}: {error}", file.display())))?;
        let ObjectName { bucket, key } = object(uri)?;
        s3::put(&self.s3, &bucket, &key, body, Some("application/jsonl")).await
    }

    async fn start(&self, job: &NewJob) -> Result<String, Fault> {
        let NewJob { token, model_id, role_arn, input, output } = job;
        let name = format!("nearline-{token}");
        let call = || Call::new("Bedrock", "CreateModelInvocationJob", &name);
        let incomplete = |error: BuildError| Fault::of(call(), Cause::Misconfigured, error.to_string());
        let from = ModelInvocationJobS3InputDataConfig::builder().s3_input_format(S3InputFormat::Jsonl).s3_uri(input);
        let to = ModelInvocationJobS3OutputDataConfig::builder().s3_uri(output);
        let request = self
            .bedrock
            .create_model_invocation_job()
            .job_name(&name)
            .client_request_token(token)
            .model_id(model_id)
            .role_arn(role_arn)
            .input_data_config(ModelInvocationJobInputDataConfig::S3InputDataConfig(from.build().map_err(incomplete)?))
            .output_data_config(ModelInvocationJobOutputDataConfig::S3OutputDataConfig(
                to.build().map_err(incomplete)?,
            ));
        match request.send().await {
            Ok(started) => Ok(started.job_arn),
            Err(error) => {
                // The name is of this job alone: it was started, and the token is not remembered any more.
                let conflict =
                    error.as_service_error().is_some_and(CreateModelInvocationJobError::is_conflict_exception);
                let known = if conflict { self.find(&name).await? } else { None };
                known.ok_or_else(|| fault(&error, call()))
            }
        }
    }

    async fn status(&self, arn: &str) -> Result<JobStatus, Fault> {
        let call = || Call::new("Bedrock", "GetModelInvocationJob", arn);
        let job = self.bedrock.get_model_invocation_job().job_identifier(arn).send().await;
        let job = job.map_err(|error| fault(&error, call()))?;
        let words = |status: &ModelInvocationJobStatus| match &job.message {
            Some(message) => format!("{}: {message}", status.as_str()),
            None => format!("{}, no reason given", status.as_str()),
        };
        let state = match &job.status {
            Some(ModelInvocationJobStatus::Completed | ModelInvocationJobStatus::PartiallyCompleted) => {
                JobState::Completed
            }
            Some(
                status @ (ModelInvocationJobStatus::Failed
                | ModelInvocationJobStatus::Expired
                | ModelInvocationJobStatus::Stopped),
            ) => JobState::Broken(words(status)),
            _ => JobState::Running,
        };
        let processed = job.processed_record_count.and_then(|count| u64::try_from(count).ok());
        Ok(JobStatus { state, processed: processed.unwrap_or(0) })
    }

    async fn answers(&self, uri: &str) -> Result<Option<Self::Answers>, Fault> {
        let ObjectName { bucket, key } = object(uri)?;
        let body = s3::open(&self.s3, &bucket, &key).await?;
        Ok(body.map(|body| Box::pin(body.into_async_read()) as Self::Answers))
    }
}

/// The object of `s3://BUCKET/KEY`.
fn object(uri: &str) -> Result<ObjectName, Fault> {
    uri.parse().map_err(|what: String| Fault::new(Cause::Misconfigured, what))
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_bedrock::config::retry::RetryConfig;
    use aws_sdk_bedrock::config::{Credentials, SharedCredentialsProvider};
    use aws_sdk_s3::primitives::SdkBody;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};

    use super::*;
    use crate::fault::Kind;

    const ARN: &str = "arn:aws:bedrock:eu-west-1:123456789012:model-invocation-job/abcdefghijkl";

    /// Refuses what is posted, and answers what is asked for.
    #[derive(Debug, Clone)]
    struct Canned {
        refusal: &'static str,
        answer: String,
    }

    impl HttpConnector for Canned {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let response = if request.method() == "POST" {
                let body = SdkBody::from(r#"{"message":"because"}"#);
                let mut response = HttpResponse::new(400.try_into().unwrap(), body);
                response.headers_mut().insert("x-amzn-errortype", self.refusal);
                response
            } else {
                HttpResponse::new(200.try_into().unwrap(), SdkBody::from(self.answer.as_str()))
            };
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    fn batches(refusal: &'static str, answer: impl Into<String>) -> BedrockBatches {
        let connector = SharedHttpConnector::new(Canned { refusal, answer: answer.into() });
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        BedrockBatches::new(&config, aws_sdk_s3::Client::new(&config))
    }

    fn job() -> NewJob {
        let text = |text: &str| text.to_owned();
        let (input, output) = (text("s3://b/input/t.jsonl"), text("s3://b/output/"));
        NewJob { token: text("t1"), model_id: text("m"), role_arn: text("r"), input, output }
    }

    fn body(name: &str, status: &str) -> String {
        format!(
            r#"{{"jobArn":"{ARN}","jobName":"{name}","modelId":"m","roleArn":"r","status":"{status}",
            "submitTime":"2026-01-01T00:00:00Z","message":"because","processedRecordCount":7,
            "inputDataConfig":{{"s3InputDataConfig":{{"s3Uri":"s3://b/i"}}}},
            "outputDataConfig":{{"s3OutputDataConfig":{{"s3Uri":"s3://b/o"}}}}}}"#
        )
    }

    #[tokio::test]
    async fn a_job_that_was_started_before_its_token_was_forgotten_is_found_by_its_name() {
        let listed = |name: &str| format!(r#"{{"invocationJobSummaries":[{}]}}"#, body(name, "Completed"));
        assert_eq!(batches("ConflictException", listed("nearline-t1")).start(&job()).await.unwrap(), ARN);
        let others = batches("ConflictException", listed("nearline-t10")).start(&job()).await.unwrap_err();
        assert!(others.text.starts_with("ConflictException"), "{others}");
    }

    #[tokio::test]
    async fn too_many_jobs_at_a_time_pass_and_a_refusal_does_not() {
        for (code, kind) in [
            ("ServiceQuotaExceededException", Kind::Retry),
            ("ThrottlingException", Kind::Retry),
            ("AccessDeniedException", Kind::Permanent),
            ("ValidationException", Kind::Permanent),
        ] {
            assert_eq!(batches(code, "").start(&job()).await.unwrap_err().kind, kind, "{code}");
        }
    }

    #[tokio::test]
    async fn each_status_of_the_service_is_running_completed_or_broken() {
        for (status, expected) in [
            ("Submitted", JobState::Running),
            ("Validating", JobState::Running),
            ("Scheduled", JobState::Running),
            ("InProgress", JobState::Running),
            ("Stopping", JobState::Running),
            ("Completed", JobState::Completed),
            ("PartiallyCompleted", JobState::Completed),
            ("Failed", JobState::Broken("Failed: because".into())),
            ("Expired", JobState::Broken("Expired: because".into())),
            ("Stopped", JobState::Broken("Stopped: because".into())),
        ] {
            let status = batches("", body("n", status)).status(ARN).await.unwrap();
            assert_eq!(status, JobStatus { state: expected, processed: 7 });
        }
    }
}
