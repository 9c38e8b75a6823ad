//! Signature Version 4 of requests that differ in nothing but their body, time and credentials: what does not change is
//! prepared once. Keys and signatures are the library's, and so must the result be.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const DATE: &str = "x-amz-date";
pub(super) const TOKEN: &str = "x-amz-security-token";
/// Not part of a signature: somebody on the way may change it.
const UNSIGNED: &str = "user-agent";

/// Signs the requests of one operation.
#[derive(Debug)]
pub(super) struct Signer {
    /// Method, path and empty query of the canonical request.
    head: String,
    /// Headers that do not change, by their names.
    headers: Vec<(String, String)>,
    region: String,
    service: String,
}

/// What a signature adds to the headers of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) date: String,
    pub(super) token: Option<String>,
    pub(super) authorization: String,
}

impl Signer {
    /// A signer of POSTs to a path without empty or dotted segments, with these headers, `host` among them.
    pub(super) fn new<'a>(
        path: &str,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        region: String,
        service: String,
    ) -> Self {
        let headers = headers.filter(|(name, _)| *name != UNSIGNED);
        let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        // Their values differ from request to request; here they have their places.
        headers.extend([DATE, TOKEN].map(|name| (name.to_owned(), String::new())));
        headers.sort_unstable();
        Self { head: format!("POST\n{}\n\n", encoded(path)), headers, region, service }
    }

    /// Signs a body.
    pub(super) fn sign(&self, body: &[u8], credentials: &Credentials, now: SystemTime) -> Signed {
        let Self { head, headers, region, service } = self;
        let at = OffsetDateTime::from(now);
        let day = format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day());
        let date = format!("{day}T{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second());
        let token = credentials.session_token();
        let (mut canonical, mut names) = (String::with_capacity(1_024), String::with_capacity(128));
        canonical.push_str(head);
        for (name, value) in headers {
            let value = match (name.as_str(), token) {
                (DATE, _) => &date,
                (TOKEN, Some(token)) => token,
                (TOKEN, None) => continue,
                _ => value.as_str(),
            };
            let _ = writeln!(canonical, "{name}:{value}"); // writing to a String cannot fail
            let separator = if names.is_empty() { "" } else { ";" };
            names.extend([separator, name]);
        }
        canonical.extend(["\n", &names, "\n", &hex(&Sha256::digest(body))]);
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let key = generate_signing_key(credentials.secret_access_key(), now, region, service);
        let signature = calculate_signature(key, to_sign.as_bytes());
        let id = credentials.access_key_id();
        let authorization =
            format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        Signed { date, token: token.map(str::to_owned), authorization }
    }
}

/// A path in percent-encoding, once more: what is encoded in it already is encoded again.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}"); // writing to a String cannot fail
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4::SigningParams;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_signature_is_the_one_of_the_library(
            body in proptest::collection::vec(any::<u8>(), 0..300),
            seconds in 1_700_000_000..2_500_000_000_u64,
            path in "(/[a-zA-Z0-9][a-zA-Z0-9._~-]{0,9}(%3A|%2F)?){0,4}",
            token in proptest::option::of("[A-Za-z0-9/+=]{1,40}"),
            target in "[A-Za-z_0-9]{1,20}\\.[A-Za-z]{1,20}",
            agent in "[ -~]{0,30}",
        ) {
            let (host, path) = ("dynamodb.eu-central-1.amazonaws.com", if path.is_empty() { "/" } else { &path });
            let headers = [("x-amz-target", target.as_str()), ("host", host), ("user-agent", &agent), ("accept", "a/b")];
            let credentials = Credentials::new("AKID", "secret", token.clone(), None, "test");
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let identity = credentials.clone().into();
            let parameters = SigningParams::builder().identity(&identity).region("eu-central-1").name("dynamodb");
            let parameters = parameters.time(now).settings(SigningSettings::default()).build().unwrap().into();
            let uri = format!("https://{host}{path}");
            let request = SignableRequest::new("POST", &uri, headers.into_iter(), SignableBody::Bytes(&body)).unwrap();
            let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
            let header = |name| instructions.headers().find(|header| header.0 == name).map(|header| header.1.to_owned());
            let expected = Signed {
                date: header(DATE).unwrap(),
                token: header(TOKEN),
                authorization: header("authorization").unwrap(),
            };
            let signer = Signer::new(path, headers.into_iter(), "eu-central-1".to_owned(), "dynamodb".to_owned());
            prop_assert_eq!(signer.sign(&body, &credentials, now), expected);
        }
    }
}
