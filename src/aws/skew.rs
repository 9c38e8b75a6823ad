//! By how much this machine's clock differs from those of the services, as their answers tell it.
//!
//! A signature carries the time; AWS refuses those that are minutes off, in the words of wrong credentials.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// Notes what answers say.
#[derive(Debug, Clone, Default)]
pub struct Skew(Arc<Mutex<Option<Noted>>>);

/// How far two clocks are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// By how much.
    pub by: Duration,
    /// Whether this machine's clock is the one that is ahead.
    pub is_ahead: bool,
}

/// Of the answer that came fastest, as it tells best.
#[derive(Debug)]
struct Noted {
    took: Duration,
    difference: Difference,
}

impl Skew {
    /// What has been seen, if any answer had a date. Dates are whole seconds, and an answer takes its time: exact to about
    /// a second.
    pub fn difference(&self) -> Option<Difference> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|noted| noted.difference)
    }

    /// A client whose answers are noted.
    pub(super) fn noting(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Noting { client, skew: self.clone() })
    }

    fn note(&self, asked: SystemTime, answered: SystemTime, date: &str) {
        let Ok(date) = DateTime::from_str(date, DateTimeFormat::HttpDate) else { return };
        let Ok(date) = SystemTime::try_from(date) else { return };
        let took = answered.duration_since(asked).unwrap_or_default();
        let here = asked + took / 2;
        let difference = match here.duration_since(date) {
            Ok(by) => Difference { by, is_ahead: true },
            Err(behind) => Difference { by: behind.duration(), is_ahead: false },
        };
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.as_ref().is_none_or(|best| took < best.took) {
            *noted = Some(Noted { took, difference });
        }
    }
}

#[derive(Debug)]
struct Noting {
    client: SharedHttpClient,
    skew: Skew,
}

impl HttpClient for Noting {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(NotingConnector { connector, skew: self.skew.clone() })
    }
}

#[derive(Debug)]
struct NotingConnector {
    connector: SharedHttpConnector,
    skew: Skew,
}

impl HttpConnector for NotingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (asked, answer, skew) = (SystemTime::now(), self.connector.call(request), self.skew.clone());
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            if let Some(date) = answer.headers().get("date") {
                skew.note(asked, SystemTime::now(), date);
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_answer_tells_how_far_the_clocks_are_apart() {
        let noon = DateTime::from_str("Sat, 28 Nov 2026 12:00:00 GMT", DateTimeFormat::HttpDate).unwrap();
        let noon = SystemTime::try_from(noon).unwrap();
        let (skew, seconds) = (Skew::default(), Duration::from_secs);
        assert_eq!(skew.difference(), None);
        skew.note(noon, noon + seconds(20), "Sat, 28 Nov 2026 12:00:00 GMT");
        assert_eq!(skew.difference(), Some(Difference { by: seconds(10), is_ahead: true }));
        skew.note(noon, noon + seconds(2), "Sat, 28 Nov 2026 12:05:01 GMT");
        assert_eq!(skew.difference(), Some(Difference { by: seconds(300), is_ahead: false }));
        skew.note(noon, noon + seconds(4), "Sat, 28 Nov 2026 12:00:00 GMT");
        skew.note(noon, noon, "yesterday");
        assert_eq!(skew.difference(), Some(Difference { by: seconds(300), is_ahead: false }), "slower, and no date");
    }
}
