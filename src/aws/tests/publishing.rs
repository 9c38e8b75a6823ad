//! What S3 answers to publishers, and what it is asked.

use bytes::Bytes;
use time::OffsetDateTime;

use super::{canned, means, object, s3_refusal, sdk};
use crate::catalog::{Condition, Publishing, Upload};
use crate::fault::{Cause, Kind};

fn upload() -> Upload {
    Upload { name: object(), id: "id".into(), began: OffsetDateTime::UNIX_EPOCH }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_no_fault() {
    let tag = Condition::Tag("\"0123\"".into());
    for (status, code, condition) in [
        (412, "PreconditionFailed", &Condition::Absent),
        (412, "PreconditionFailed", &tag),
        (409, "ConditionalRequestConflict", &tag),
        (404, "NoSuchKey", &tag),
    ] {
        let written = sdk(&s3_refusal(status, code)).artifacts().put_if(&object(), Bytes::new(), condition).await;
        assert_eq!(written, Ok(false), "{status} {code}");
    }
    for (status, code, expected) in [
        (404, "NoSuchBucket", (Kind::Permanent, Cause::NotFound)),
        (403, "AccessDenied", (Kind::Permanent, Cause::AccessDenied)),
        (503, "SlowDown", (Kind::Retry, Cause::Throttled)),
    ] {
        let written = sdk(&s3_refusal(status, code)).artifacts().put_if(&object(), Bytes::new(), &tag).await;
        assert_eq!(means(written), expected, "{status} {code}");
    }
}

#[tokio::test]
async fn an_upload_that_is_gone_has_no_parts_and_is_given_up() {
    let gone = s3_refusal(404, "NoSuchUpload");
    assert_eq!(sdk(&gone).artifacts().parts(&upload()).await, Ok(Vec::new()));
    assert_eq!(sdk(&gone).artifacts().abort(&upload()).await, Ok(()));
    let part = sdk(&gone).artifacts().put_part(&upload(), 1, Bytes::new(), "x").await;
    assert_eq!(means(part), (Kind::Permanent, Cause::NotFound));
}

#[tokio::test]
async fn parts_carry_their_sha256_and_writes_their_condition() {
    let mut answers = canned(200, "");
    answers.headers.push(("etag", "\"0123\""));
    let artifacts = sdk(&answers).artifacts();
    artifacts.put_part(&upload(), 7, Bytes::from_static(b"part"), "c2hhMjU2").await.unwrap();
    assert_eq!(artifacts.put_if(&object(), Bytes::new(), &Condition::Absent).await, Ok(true));
    assert_eq!(artifacts.put_if(&object(), Bytes::new(), &Condition::Tag("\"0\"".into())).await, Ok(true));
    let requests = answers.requests.lock().unwrap();
    let header = |number: usize, name: &str| requests[number].headers().get(name).map(str::to_owned);
    assert_eq!(header(0, "x-amz-checksum-sha256").as_deref(), Some("c2hhMjU2"));
    assert_eq!(header(0, "x-amz-checksum-crc32"), None, "one checksum is enough");
    assert!(requests[0].uri().contains("partNumber=7") && requests[0].uri().contains("uploadId=id"));
    assert_eq!(header(1, "if-none-match").as_deref(), Some("*"));
    assert_eq!(header(2, "if-match").as_deref(), Some("\"0\""));
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    let page = "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>p/versions/a.json</Key>\
                <LastModified>2026-11-23T12:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag><Size>12</Size>\
                </Contents></ListBucketResult>";
    let listed = sdk(&canned(200, page)).artifacts().list(&object()).await.unwrap();
    assert_eq!((listed.len(), listed[0].bytes, listed[0].name.key.as_str()), (1, 12, "p/versions/a.json"));
    assert_eq!(listed[0].modified.unix_timestamp(), 1_795_435_200);
}
