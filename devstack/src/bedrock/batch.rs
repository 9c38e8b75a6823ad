//! Bedrock's batch jobs: reads records from S3, writes an answer or an error for each, in another order, some time later.
//!
//! What the real service checks before it begins is checked here: the model, the number of records, the lines.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use axum::http::StatusCode;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, json};

use super::embedding::Refusal;
use super::model::Model;
use crate::lexical;

/// The quotas of Titan v2: records of a job.
const RECORDS: std::ops::RangeInclusive<usize> = 100..=50_000;
const SUBMITTED: &str = "2026-01-01T00:00:00Z";

/// How jobs behave.
#[derive(Debug, Clone)]
pub struct BatchOptions {
    /// From the start of a job to its end.
    pub delay: Duration,
    /// Records whose text contains this one end in an error.
    pub refused: Option<String>,
    /// Jobs that end from now on fail, with this message.
    pub failure: Option<String>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { delay: Duration::from_millis(500), refused: None, failure: None }
    }
}

/// All jobs since the start.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    s3: Option<Client>,
    options: BatchOptions,
    /// By their ids.
    jobs: HashMap<String, Job>,
    /// Ids, by the tokens of the requests.
    by_token: HashMap<String, String>,
    answered: u64,
}

#[derive(Debug, Clone)]
struct Job {
    request: Request,
    arn: String,
    status: &'static str,
    message: Option<String>,
    records: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    job_name: String,
    client_request_token: String,
    model_id: String,
    role_arn: String,
    input_data_config: Config,
    output_data_config: Config,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(alias = "s3InputDataConfig", alias = "s3OutputDataConfig")]
    s3: Place,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    s3_uri: String,
}

impl Jobs {
    /// From now on jobs can be started: their files are there.
    pub(super) fn keep_files_in(&self, s3: Client) {
        self.state().s3 = Some(s3);
    }

    pub(super) fn set_options(&self, options: BatchOptions) {
        self.state().options = options;
    }

    /// Jobs, and records that were answered with a vector.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.jobs.len() as u64, state.answered)
    }

    /// `CreateModelInvocationJob`; the answer's body.
    pub(super) fn start(self: &Arc<Self>, body: &[u8]) -> Result<Value, Refusal> {
        let request: Request =
            serde_json::from_slice(body).map_err(|error| Refusal::validation(format!("Malformed request: {error}")))?;
        let mut state = self.state();
        let Some(s3) = state.s3.clone() else {
            return Err(Refusal::validation("This stand-in has no S3: use the one of `devstack up`."));
        };
        if let Some(id) = state.by_token.get(&request.client_request_token) {
            return Ok(json!({"jobArn": state.jobs[id].arn}));
        }
        check(&request)?;
        if state.jobs.values().any(|job| job.request.job_name == request.job_name) {
            let message = "The job name is already in use.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "ConflictException", message));
        }
        let id = format!("{:012x}", rand::rng().random_range(0..1_u64 << 48));
        let arn = format!("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/{id}");
        let job = Job { request: request.clone(), arn: arn.clone(), status: "Submitted", message: None, records: 0 };
        state.by_token.insert(request.client_request_token.clone(), id.clone());
        state.jobs.insert(id.clone(), job);
        let (jobs, options) = (Arc::clone(self), state.options.clone());
        tokio::spawn(async move {
            tokio::time::sleep(options.delay / 2).await;
            jobs.change(&id, "InProgress", None);
            tokio::time::sleep(options.delay / 2).await;
            match jobs.work(&id, &request, &s3).await {
                Ok(()) => jobs.change(&id, "Completed", None),
                Err(message) => jobs.change(&id, "Failed", Some(message)),
            }
        });
        Ok(json!({"jobArn": arn}))
    }

    /// `GetModelInvocationJob`; the answer's body.
    pub(super) fn status(&self, identifier: &str) -> Result<Value, Refusal> {
        let id = identifier.rsplit('/').next().unwrap_or(identifier);
        let state = self.state();
        let Some(Job { request, arn, status, message, records }) = state.jobs.get(id) else {
            let message = "The provided ARN does not exist.";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message));
        };
        let Request { job_name, client_request_token, model_id, role_arn, input_data_config, output_data_config } =
            request;
        let processed = if *status == "Completed" { *records } else { 0 };
        Ok(json!({
            "jobArn": arn, "jobName": job_name, "clientRequestToken": client_request_token, "modelId": model_id,
            "roleArn": role_arn, "status": status, "message": message, "submitTime": SUBMITTED,
            "totalRecordCount": records, "processedRecordCount": processed,
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": input_data_config.s3.s3_uri}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": output_data_config.s3.s3_uri}},
        }))
    }

    async fn work(&self, id: &str, request: &Request, s3: &Client) -> Result<(), String> {
        let BatchOptions { refused, failure, .. } = self.state().options.clone();
        if let Some(message) = failure {
            return Err(message);
        }
        let input = &request.input_data_config.s3.s3_uri;
        let records = read(s3, input).await?;
        if let Some(job) = self.state().jobs.get_mut(id) {
            job.records = records.len();
        }
        let mut errors = 0;
        let mut answers: Vec<String> = Vec::with_capacity(records.len());
        for mut record in records {
            match answer(&request.model_id, &record["modelInput"], refused.as_deref()) {
                Ok(output) => record["modelOutput"] = output,
                Err(refusal) => {
                    errors += 1;
                    let code = refusal.status.as_u16();
                    record["error"] = json!({"errorCode": code, "errorMessage": refusal.message});
                }
            }
            answers.push(record.to_string());
        }
        let (total, answered) = (answers.len(), answers.len() - errors);
        answers.shuffle(&mut StdRng::seed_from_u64(total as u64));
        let body = answers.iter().fold(String::new(), |mut body, line| {
            let _ = writeln!(body, "{line}"); // writing to a String cannot fail
            body
        });
        let name = input.rsplit('/').next().unwrap_or_default();
        let folder = format!("{}/{id}", request.output_data_config.s3.s3_uri.trim_end_matches('/'));
        write(s3, &format!("{folder}/{name}.out"), body).await?;
        let manifest = json!({"totalRecordCount": total, "processedRecordCount": total, "successRecordCount": answered,
            "errorRecordCount": errors});
        write(s3, &format!("{folder}/manifest.json.out"), manifest.to_string()).await?;
        self.state().answered += answered as u64;
        Ok(())
    }

    fn change(&self, id: &str, status: &'static str, message: Option<String>) {
        if let Some(job) = self.state().jobs.get_mut(id) {
            (job.status, job.message) = (status, message);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(request: &Request) -> Result<(), Refusal> {
    let plain = |text: &str, others: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    if !(1..=63).contains(&request.job_name.len()) || !plain(&request.job_name, "+-.") {
        return Err(Refusal::validation("jobName must have 1 to 63 letters, digits, `+`, `-` and `.`."));
    }
    if request.client_request_token.len() > 256 || !plain(&request.client_request_token, "-") {
        return Err(Refusal::validation("clientRequestToken must have 1 to 256 letters, digits and `-`."));
    }
    if !request.role_arn.starts_with("arn:aws:iam::") || !request.role_arn.contains(":role/") {
        return Err(Refusal::validation("roleArn must be the ARN of a role."));
    }
    if request.model_id.contains(":provisioned-model/") {
        return Err(Refusal::validation("Batch inference isn't supported for provisioned models."));
    }
    match Model::from_id(&request.model_id) {
        Some(Model::TitanV2) => Ok(()),
        None if request.model_id.contains(":application-inference-profile/") => Ok(()),
        _ => Err(Refusal::validation(format!("Batch inference isn't supported for {}.", request.model_id))),
    }
}

fn answer(model_id: &str, input: &Value, refused: Option<&str>) -> Result<Value, Refusal> {
    let body = input.to_string();
    let model = Model::from_id(model_id).or_else(|| Model::behind(model_id, body.as_bytes()));
    let model = model.ok_or_else(|| Refusal::validation("The model does not exist."))?;
    let embedding = model.parse(body.as_bytes())?;
    if refused.is_some_and(|part| embedding.texts.iter().any(|text| text.contains(part))) {
        return Err(Refusal::validation("Malformed input request, please reformat your input and try again."));
    }
    let vectors: Vec<_> = embedding.texts.iter().map(|text| lexical::embed(text, embedding.dimension)).collect();
    Ok(embedding.answer(&vectors))
}

async fn read(s3: &Client, uri: &str) -> Result<Vec<Value>, String> {
    let (bucket, key) = place(uri)?;
    let object = s3.get_object().bucket(bucket).key(key).send().await;
    let object = object.map_err(|_| format!("The role has no access to {uri}, or the object does not exist."))?;
    let body = object.body.collect().await.map_err(|error| error.to_string())?.into_bytes();
    let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut records = Vec::new();
    for (at, line) in lines.enumerate() {
        let record: Value =
            serde_json::from_slice(line).map_err(|error| format!("Line {} of the input: {error}", at + 1))?;
        let id = record["recordId"].as_str().unwrap_or_default();
        let alphanumeric = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        if !alphanumeric || !record["modelInput"].is_object() {
            return Err(format!("Line {} of the input has no alphanumeric recordId, or no modelInput.", at + 1));
        }
        records.push(record);
    }
    if !RECORDS.contains(&records.len()) {
        let (least, most) = RECORDS.into_inner();
        return Err(format!("The input has {} records, a job {least} to {most}.", records.len()));
    }
    Ok(records)
}

async fn write(s3: &Client, uri: &str, body: String) -> Result<(), String> {
    let (bucket, key) = place(uri)?;
    let put = s3.put_object().bucket(bucket).key(key).body(body.into_bytes().into()).send().await;
    put.map(drop).map_err(|_| format!("The role cannot write {uri}."))
}

fn place(uri: &str) -> Result<(&str, &str), String> {
    let place = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    place.ok_or_else(|| format!("{uri} is not s3://BUCKET/KEY."))
}
