//! The stack as its users meet it: real SDK clients against what `Stack::start` leaves behind.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use devstack::bedrock::BedrockOptions;
use devstack::ministack::MiniStack;
use devstack::stack::{Stack, StackOptions};

mod processes;
use processes::is_running;

#[tokio::test]
async fn a_stack_has_queues_table_and_bucket_and_leaves_nothing_running() {
    let stack = Stack::start(StackOptions::default()).await.unwrap();
    let config = stack.sdk_config();

    let sqs = aws_sdk_sqs::Client::new(&config);
    sqs.send_message().queue_url(stack.queue_url()).message_body("job").send().await.unwrap();
    let received = sqs
        .receive_message()
        .queue_url(stack.queue_url())
        .wait_time_seconds(2)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .unwrap();
    assert_eq!(received.messages()[0].body(), Some("job"));
    let attributes = sqs.get_queue_attributes().queue_url(stack.queue_url()).attribute_names(QueueAttributeName::All);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "60");
    let redrive: serde_json::Value = serde_json::from_str(&attributes[&QueueAttributeName::RedrivePolicy]).unwrap();
    assert_eq!(redrive["maxReceiveCount"].to_string().trim_matches('"'), "100");
    assert!(redrive["deadLetterTargetArn"].as_str().unwrap().ends_with(":nearline-dead-letters"));

    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let id = AttributeValue::S("r-1".into());
    let put = dynamodb.put_item().table_name(stack.results_table()).item("request_id", id.clone());
    put.send().await.unwrap();
    let got = dynamodb.get_item().table_name(stack.results_table()).key("request_id", id).send().await.unwrap();
    assert!(got.item.is_some());
    let ttl = dynamodb.describe_time_to_live().table_name(stack.results_table()).send().await.unwrap();
    assert_eq!(ttl.time_to_live_description.unwrap().attribute_name(), Some("expires_at"));

    let s3 = aws_sdk_s3::Client::new(&config);
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"bytes");
    s3.put_object().bucket(stack.bucket()).key("results/x.json").body(body).send().await.unwrap();
    let object = s3.get_object().bucket(stack.bucket()).key("results/x.json").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().to_vec(), b"bytes");

    let process = stack.ministack().process_id();
    assert!(is_running(process));
    stack.stop().await;
    assert!(!is_running(process));
}

#[tokio::test]
async fn the_environment_names_everything_on_loopback() {
    let stack = Stack::start(StackOptions::default()).await.unwrap();
    let env: std::collections::HashMap<_, _> = stack.env().into_iter().collect();
    for name in
        ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "NEARLINE_QUEUE_URL", "NEARLINE_DEAD_LETTER_QUEUE_URL"]
    {
        assert!(env[name].starts_with("http://127.0.0.1:"), "{name}={}", env[name]);
    }
    assert_eq!(env["NEARLINE_CATALOG"], format!("s3://{}/nearline", env["NEARLINE_RESULTS_BUCKET"]));
    assert_eq!(env["AWS_ACCESS_KEY_ID"].len(), 12);
    assert!(env["AWS_ACCESS_KEY_ID"].bytes().all(|digit| digit.is_ascii_digit()));
}

#[tokio::test]
async fn a_fifo_stack_keeps_the_order_of_a_group() {
    let stack = Stack::start(StackOptions { fifo: true, ..StackOptions::default() }).await.unwrap();
    for url in [stack.queue_url(), stack.dead_letter_queue_url()] {
        assert_eq!(url.rsplit_once('.').unwrap().1, "fifo");
    }
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
    for body in ["1", "2", "3"] {
        let send = sqs.send_message().queue_url(stack.queue_url()).message_body(body).message_group_id("g");
        send.send().await.unwrap();
    }
    let received = sqs.receive_message().queue_url(stack.queue_url()).max_number_of_messages(10).send().await.unwrap();
    let bodies: Vec<_> = received.messages().iter().filter_map(|message| message.body()).collect();
    assert_eq!(bodies, ["1", "2", "3"]);
}

#[tokio::test]
async fn stacks_started_at_once_do_not_see_each_other() {
    let (one, two) = tokio::join!(Stack::start(StackOptions::default()), Stack::start(StackOptions::default()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.queue_url(), two.queue_url());
    let sqs = aws_sdk_sqs::Client::new(&one.sdk_config());
    sqs.send_message().queue_url(one.queue_url()).message_body("job").send().await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(&two.sdk_config());
    let received = sqs.receive_message().queue_url(two.queue_url()).send().await.unwrap();
    assert!(received.messages().is_empty());
}

#[tokio::test]
async fn a_dropped_ministack_ends() {
    let ministack = MiniStack::start().await.unwrap();
    let process = ministack.process_id();
    drop(ministack);
    processes::ended(process).await;
}

#[tokio::test]
async fn a_bad_option_is_refused_before_anything_starts() {
    let bedrock = BedrockOptions { error_rate: 1.5, ..BedrockOptions::default() };
    let error = Stack::start(StackOptions { bedrock, ..StackOptions::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), "error rate must be 0 to 1, was 1.5");
}
