use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

/// A Runtime API and what it stands on, without a function: the tests are that.
struct Fixture {
    api: RuntimeApi,
    dispatcher: Arc<Dispatcher>,
    faults: Arc<RuntimeFaults>,
}

impl Fixture {
    async fn start(timeout: Duration) -> Self {
        let dispatcher = Arc::new(Dispatcher::new(timeout, Duration::from_secs(30)));
        let faults = Arc::new(RuntimeFaults::new());
        let sdk = aws_config::SdkConfig::builder().build();
        let function = Function::new(&sdk, "http://127.0.0.1/123456789012/jobs");
        let api = RuntimeApi::start(Arc::clone(&dispatcher), function, Arc::clone(&faults)).await.unwrap();
        Self { api, dispatcher, faults }
    }

    fn invoke(&self) -> JoinHandle<Result<Bytes, FunctionError>> {
        let dispatcher = Arc::clone(&self.dispatcher);
        tokio::spawn(async move { dispatcher.invoke(Bytes::from_static(br#"{"a": "payload"}"#)).await })
    }

    /// Begins to wait for work.
    fn next(&self) -> JoinHandle<Answer> {
        let address = self.api.address();
        tokio::spawn(async move { request(&address, "GET", "invocation/next", "", "").await.unwrap() })
    }

    async fn post(&self, request_id: &str, headers: &str, body: &str) -> io::Result<Answer> {
        request(&self.api.address(), "POST", &format!("invocation/{request_id}/response"), headers, body).await
    }

    async fn until_waiting(&self, slots: usize) {
        while self.dispatcher.counts().waiting_slots != slots {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn request_id(&self) -> &str {
        self.header("lambda-runtime-aws-request-id").unwrap()
    }
}

/// One request on a connection of its own; an error if that ends before there is an answer.
async fn request(address: &str, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer { status, head: head.into(), body: body.into() })
}

const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_slot_is_counted_while_it_waits_and_its_client_is_there() {
    let fixture = Fixture::start(LONG).await;
    let slots = [fixture.next(), fixture.next()];
    fixture.until_waiting(2).await;
    slots.iter().for_each(JoinHandle::abort);
    fixture.until_waiting(0).await;
    let slot = fixture.next();
    fixture.until_waiting(1).await;
    let _call = fixture.invoke();
    assert_eq!(slot.await.unwrap().status, 200);
    assert_eq!(fixture.dispatcher.counts().waiting_slots, 0);
}

#[tokio::test]
async fn next_fails_as_often_as_asked_also_where_it_waits_already() {
    let fixture = Fixture::start(LONG).await;
    let slots = [fixture.next(), fixture.next(), fixture.next()];
    fixture.until_waiting(3).await;
    fixture.faults.fail_next(2, RuntimeFault::NextInternalError);
    fixture.until_waiting(1).await;
    let call = fixture.invoke();
    let mut statuses = Vec::new();
    for slot in slots {
        let answer = slot.await.unwrap();
        statuses.push(answer.status);
        if answer.status == 500 {
            assert_eq!(answer.header("lambda-runtime-aws-request-id"), None);
        } else {
            assert_eq!(fixture.post(answer.request_id(), "", "1").await.unwrap().status, 202);
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 500, 500]);
    assert_eq!(call.await.unwrap().unwrap(), "1");
    assert_eq!(fixture.faults.met(), 2);
}

#[tokio::test]
async fn next_fails_until_the_fault_is_taken_back() {
    let fixture = Fixture::start(LONG).await;
    fixture.faults.set(Some(RuntimeFault::NextInternalError));
    let _call = fixture.invoke();
    for _ in 0..5 {
        assert_eq!(fixture.next().await.unwrap().status, 500);
    }
    fixture.faults.set(None);
    assert_eq!(fixture.next().await.unwrap().status, 200);
}

#[tokio::test]
async fn an_invocation_whose_delivery_is_cut_times_out() {
    let fixture = Fixture::start(Duration::from_secs(1)).await;
    fixture.faults.fail_next(1, RuntimeFault::NextCut);
    let call = fixture.invoke();
    let answer = fixture.next().await.unwrap();
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("16")));
    assert_eq!(answer.body, r#"{"a": "p"#);
    assert_eq!(fixture.dispatcher.counts().in_flight, 1, "{}", answer.request_id());
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, FunctionError::TimedOut { .. }), "{error}");
    assert_eq!(fixture.dispatcher.counts().timeouts, 1);
}

#[tokio::test]
async fn a_post_can_lose_its_connection_before_or_after_it_counts() {
    let fixture = Fixture::start(LONG).await;
    for (taken, posted_again) in [(true, 410), (false, 202)] {
        let call = fixture.invoke();
        let delivered = fixture.next().await.unwrap();
        fixture.faults.fail_next(1, RuntimeFault::PostReset { taken });
        let error = fixture.post(delivered.request_id(), "", "first").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let again = fixture.post(delivered.request_id(), "", "again").await.unwrap();
        assert_eq!(again.status, posted_again);
        assert_eq!(call.await.unwrap().unwrap(), if taken { "first" } else { "again" });
    }
}

#[tokio::test]
async fn a_post_can_be_refused_as_too_large_or_by_an_error_of_the_service() {
    let fixture = Fixture::start(LONG).await;
    let call = fixture.invoke();
    let delivered = fixture.next().await.unwrap();
    fixture.faults.fail_next(1, RuntimeFault::PostInternalError);
    assert_eq!(fixture.post(delivered.request_id(), "", "1").await.unwrap().status, 500);
    assert!(!call.is_finished());
    fixture.faults.fail_next(1, RuntimeFault::PostTooLarge);
    assert_eq!(fixture.post(delivered.request_id(), "", "1").await.unwrap().status, 413);
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, FunctionError::ResponseTooLarge { bytes: 1 }), "{error}");
}

#[tokio::test]
async fn a_listener_that_is_away_refuses_all_and_comes_back_on_its_port() {
    let fixture = Fixture::start(LONG).await;
    let address = fixture.api.address();
    let waiting = {
        let address = address.clone();
        tokio::spawn(async move { request(&address, "GET", "invocation/next", "", "").await.unwrap_err() })
    };
    fixture.until_waiting(1).await;
    for _ in 0..2 {
        fixture.faults.pause_listener();
        // One that comes while it goes is reset.
        while TcpStream::connect(&address).await.map_err(|error| error.kind()).err()
            != Some(ErrorKind::ConnectionRefused)
        {
            tokio::task::yield_now().await;
        }
        fixture.faults.resume_listener();
        let call = fixture.invoke();
        let delivered = loop {
            match request(&address, "GET", "invocation/next", "", "").await {
                Ok(delivered) => break delivered,
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            }
        };
        assert_eq!(fixture.post(delivered.request_id(), "", "1").await.unwrap().status, 202);
        assert_eq!(call.await.unwrap().unwrap(), "1");
    }
    assert_eq!(waiting.await.unwrap().kind(), ErrorKind::ConnectionReset);
    fixture.faults.pause_listener();
    fixture.api.stop().await;
}

#[tokio::test]
async fn an_answer_that_names_another_delivery_is_refused_and_counted() {
    let fixture = Fixture::start(LONG).await;
    let calls = [fixture.invoke(), fixture.invoke()];
    let (one, two) = (fixture.next().await.unwrap(), fixture.next().await.unwrap());
    let header = |answer: &Answer| format!("{INVOCATION_ID}: {}\r\n", answer.header(INVOCATION_ID).unwrap());
    assert_ne!(header(&one), header(&two));
    let refused = fixture.post(one.request_id(), &header(&two), "1").await.unwrap();
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(fixture.dispatcher.counts().invocation_id_mismatches, 1);
    assert_eq!(fixture.post(one.request_id(), &header(&one), "1").await.unwrap().status, 202);
    assert_eq!(fixture.post(one.request_id(), &header(&one), "1").await.unwrap().status, 410);
    assert_eq!(fixture.post(two.request_id(), "", "1").await.unwrap().status, 202);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "1");
    }
    assert_eq!(fixture.dispatcher.counts().invocation_id_mismatches, 1);
}
