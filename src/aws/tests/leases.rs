//! What a fleet shares, as items of the results table.

use serde_json::{Value, json};

use super::{Canned, canned, refusal, sdk};
use crate::embed::{Leases, Version};
use crate::fault::Cause;

const NAME: &str = "embedding rate: m";

fn requests(canned: &Canned) -> Vec<Value> {
    let requests: Vec<_> = canned.requests.lock().unwrap().drain(..).collect();
    requests.iter().map(|request| serde_json::from_slice(request.body().bytes().unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn a_version_is_written_only_over_the_one_that_was_read() {
    let canned = canned(200, "{}");
    let leases = sdk(&canned).leases("t");
    for number in [1, 8] {
        let version = Version { number, state: "s".into() };
        assert_eq!(leases.write(NAME, &version).await, Ok(true));
    }
    let [first, eighth] = &requests(&canned)[..] else { panic!("two calls") };
    assert_eq!(first["ConditionExpression"], "attribute_not_exists(request_id)");
    assert_eq!(eighth["ConditionExpression"], "#version = :before");
    assert_eq!(eighth["ExpressionAttributeValues"], json!({":before": {"N": "7"}}));
    let item = &eighth["Item"];
    assert_eq!((&item["request_id"]["S"], &item["version"]["N"]), (&json!(NAME), &json!("8")));
    let expires_at: i64 = item["expires_at"]["N"].as_str().unwrap().parse().unwrap();
    let in_a_day = time::OffsetDateTime::now_utc().unix_timestamp() + 24 * 60 * 60;
    assert!((in_a_day - 60..=in_a_day).contains(&expires_at), "{expires_at}");

    let version = Version { number: 8, state: "s".into() };
    let taken = sdk(&refusal(400, "ConditionalCheckFailedException")).leases("t");
    assert_eq!(taken.write(NAME, &version).await, Ok(false));
    let denied = sdk(&refusal(400, "AccessDeniedException")).leases("t");
    assert_eq!(denied.write(NAME, &version).await.unwrap_err().cause, Cause::AccessDenied);
}

#[tokio::test]
async fn reads_are_consistent_and_tell_nothing_from_what_cannot_be_read() {
    let read = async |body: &str| {
        let canned = canned(200, body);
        let read = sdk(&canned).leases("t").read(NAME).await;
        let [request] = &requests(&canned)[..] else { panic!("one call") };
        assert_eq!(request["RequestItems"]["t"]["ConsistentRead"], true);
        read
    };
    let item = r#"{"request_id":{"S":"x"},"version":{"N":"3"},"state":{"S":"{}"}}"#;
    let found = read(&format!(r#"{{"Responses":{{"t":[{item}]}}}}"#)).await;
    assert_eq!(found, Ok(Some(Version { number: 3, state: "{}".into() })));
    assert_eq!(read(r#"{"Responses":{"t":[]}}"#).await, Ok(None));
    for (body, cause) in [
        ("{}", Cause::InvalidAnswer),
        (r#"{"Responses":{},"UnprocessedKeys":{"t":{"Keys":[{"request_id":{"S":"x"}}]}}}"#, Cause::Throttled),
        (r#"{"Responses":{"t":[{"request_id":{"S":"x"}}]}}"#, Cause::Misconfigured),
    ] {
        assert_eq!(read(body).await.unwrap_err().cause, cause, "{body}");
    }
}
