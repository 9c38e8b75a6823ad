//! Answers that no service gave: errors in each service's own form, and an HTML page from something in between.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use super::call::{Call, Service};

/// Code, status and message of what a service says when it fails.
struct Failure {
    code: &'static str,
    status: StatusCode,
    message: &'static str,
}

const TRY_AGAIN: &str = "We encountered an internal error. Please try again.";

/// A 500, or a 503 if `busy`.
pub(super) fn error(call: &Call, busy: bool) -> Response {
    let (code, message) = match (call.service, busy) {
        (Service::Sqs, false) => ("InternalFailure", TRY_AGAIN),
        (Service::DynamoDb, false) => ("InternalServerError", "Internal server error"),
        (Service::S3, false) => ("InternalError", TRY_AGAIN),
        (Service::Bedrock, false) => ("InternalServerException", TRY_AGAIN),
        (Service::Sqs, true) => ("ServiceUnavailable", "Service is unavailable"),
        (Service::DynamoDb, true) => ("ServiceUnavailableException", "The service is currently unavailable or busy."),
        (Service::S3, true) => ("ServiceUnavailable", "Service is unable to handle request."),
        (Service::Bedrock, true) => ("ServiceUnavailableException", "Bedrock is unable to process your request."),
    };
    let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
    answer(call, &Failure { code, status, message })
}

/// Too many calls; of the two ways in which DynamoDB says so, that of the table if `of_table`.
pub(super) fn throttle(call: &Call, of_table: bool) -> Response {
    let (code, status, message) = match call.service {
        Service::Sqs => ("RequestThrottled", StatusCode::BAD_REQUEST, "Request was throttled."),
        Service::DynamoDb if of_table => (
            "ProvisionedThroughputExceededException",
            StatusCode::BAD_REQUEST,
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        Service::DynamoDb => ("ThrottlingException", StatusCode::BAD_REQUEST, "Rate of requests exceeds the allowed."),
        Service::S3 => ("SlowDown", StatusCode::SERVICE_UNAVAILABLE, "Please reduce your request rate."),
        Service::Bedrock => (
            "ThrottlingException",
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests, please wait before trying again.",
        ),
    };
    answer(call, &Failure { code, status, message })
}

/// A permission is missing.
pub(super) fn access_denied(call: &Call) -> Response {
    let (code, status) = match call.service {
        Service::Sqs | Service::S3 => ("AccessDenied", StatusCode::FORBIDDEN),
        Service::DynamoDb => ("AccessDeniedException", StatusCode::BAD_REQUEST),
        Service::Bedrock => ("AccessDeniedException", StatusCode::FORBIDDEN),
    };
    let message = match call.service {
        Service::Bedrock => "You don't have access to the model with the specified model ID.",
        _ => "The role is not authorized to perform this action.",
    };
    answer(call, &Failure { code, status, message })
}

/// What somebody on the way answers in the place of the service.
pub(super) fn html() -> Response {
    Html("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to use this network.</body></html>")
        .into_response()
}

fn answer(call: &Call, failure: &Failure) -> Response {
    let Failure { code, status, message } = *failure;
    match call.service {
        Service::Sqs => {
            let side = if status.is_server_error() { "Receiver" } else { "Sender" };
            let headers = [
                ("content-type", "application/x-amz-json-1.0".to_owned()),
                ("x-amzn-query-error", format!("{code};{side}")),
            ];
            (status, headers, json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message}).to_string())
                .into_response()
        }
        Service::DynamoDb => {
            let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
            let headers = [("content-type", "application/x-amz-json-1.0")];
            (status, headers, json!({"__type": kind, "message": message}).to_string()).into_response()
        }
        Service::S3 => {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
                 <RequestId>4442587FB7D0A2F9</RequestId></Error>"
            );
            (status, [("content-type", "application/xml")], body).into_response()
        }
        Service::Bedrock => (status, [("x-amzn-errortype", code)], Json(json!({"message": message}))).into_response(),
    }
}
