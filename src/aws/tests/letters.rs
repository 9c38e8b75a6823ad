//! Queues as operators look into them.

use std::time::Duration;

use super::{QUEUE, canned, refusal, sdk};
use crate::fault::Cause;
use crate::intake::{Attribute, AttributeValue, Inspect, Outgoing, Queue, QueueState, Redrive};

#[tokio::test]
async fn a_letter_comes_with_all_that_it_has() {
    let answer = r#"{"Messages":[{"MessageId":"m","ReceiptHandle":"h","MD5OfBody":"x","Body":"{}",
        "Attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1795435200123","MessageGroupId":"g",
            "MessageDeduplicationId":"d","DeadLetterQueueSourceArn":"arn:aws:sqs:eu-west-1:1:jobs"},
        "MessageAttributes":{
            "nearline_error_code":{"DataType":"String","StringValue":"attempts_exhausted"},
            "nearline_error":{"DataType":"String","StringValue":"why"},
            "tenant":{"DataType":"Number.int","StringValue":"7"},
            "trace":{"DataType":"Binary","BinaryValue":"AP8="}}}]}"#;
    let canned = canned(200, answer);
    let letters = sdk(&canned).queue(QUEUE).look(10, Duration::ZERO, Duration::from_mins(1)).await.unwrap();
    let letter = &letters[0];
    assert_eq!((letter.code(), letter.reason()), (Some("attempts_exhausted"), Some("why")));
    assert_eq!(letter.deduplication_id.as_deref(), Some("d"));
    assert_eq!(letter.moved_from.as_deref(), Some("arn:aws:sqs:eu-west-1:1:jobs"));
    assert_eq!((letter.delivery.receive_count, letter.delivery.group.as_deref()), (3, Some("g")));
    assert_eq!(letter.delivery.sent_at.unwrap().unix_timestamp(), 1_795_435_200);
    let number =
        Attribute { name: "tenant".into(), data_type: "Number.int".into(), value: AttributeValue::Text("7".into()) };
    let binary =
        Attribute { name: "trace".into(), data_type: "Binary".into(), value: AttributeValue::Bytes(vec![0, 255]) };
    let resent = letter.resent(None, false);
    assert_eq!(resent.attributes, [number, binary], "without the reason");
    let asked =
        canned.requests.lock().unwrap()[0].body().bytes().map(|body| String::from_utf8_lossy(body).into_owned());
    assert!(asked.unwrap().contains(r#""MessageAttributeNames":["All"]"#));
}

#[tokio::test]
async fn attributes_are_sent_as_they_came() {
    let canned = canned(200, r#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"x"}],"Failed":[]}"#);
    let attributes = vec![
        Attribute::text("a", "text"),
        Attribute { name: "b".into(), data_type: "Binary.png".into(), value: AttributeValue::Bytes(vec![0, 255]) },
    ];
    let message = Outgoing { body: "{}".into(), attributes, ..Outgoing::default() };
    assert_eq!(sdk(&canned).queue(QUEUE).send(&[message]).await.unwrap(), []);
    let requests = canned.requests.lock().unwrap();
    let sent: serde_json::Value = serde_json::from_slice(requests[0].body().bytes().unwrap()).unwrap();
    let attributes = serde_json::json!({"a": {"DataType": "String", "StringValue": "text"},
        "b": {"DataType": "Binary.png", "BinaryValue": "AP8="}});
    assert_eq!(sent["Entries"][0]["MessageAttributes"], attributes);
}

#[tokio::test]
async fn a_queue_tells_how_full_it_is_and_what_it_moves_on() {
    let counts = r#""ApproximateNumberOfMessages":"5","ApproximateNumberOfMessagesNotVisible":"2",
        "ApproximateNumberOfMessagesDelayed":"1""#;
    let state = async |attributes: String| {
        sdk(&canned(200, &format!(r#"{{"Attributes":{{{attributes}}}}}"#))).queue(QUEUE).state().await
    };
    let expected = QueueState { waiting: 5, in_flight: 2, delayed: 1, redrive: None };
    assert_eq!((state(counts.into()).await.unwrap(), expected.total()), (expected.clone(), 8));
    for count in ["3", r#"\"3\""#] {
        let policy = format!(r#""RedrivePolicy":"{{\"deadLetterTargetArn\":\"arn:d\",\"maxReceiveCount\":{count}}}""#);
        let redrive = Some(Redrive { max_receive_count: 3, target: "arn:d".into() });
        let expected = QueueState { redrive, ..expected.clone() };
        assert_eq!(state(format!("{counts},{policy}")).await.unwrap(), expected);
    }
    let nothing = state(String::new()).await.unwrap_err();
    assert_eq!(nothing.cause, Cause::InvalidAnswer, "no count is not none: {nothing}");
    let denied = sdk(&refusal(403, "AccessDeniedException")).queue(QUEUE).state().await.unwrap_err();
    assert_eq!(denied.cause, Cause::AccessDenied);
}
