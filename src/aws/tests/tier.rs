//! Service tiers: sent with every call, and left out for models that refuse them.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};

use super::sdk_of;
use crate::embed::Models;
use crate::fault::{Cause, Fault, Kind};

const HEADER: &str = "x-amzn-bedrock-service-tier";
const REFUSED: &str = "ValidationException";

/// The tier of a call, and whether it was direct.
type Seen = (Option<String>, bool);

/// Refuses calls with these tiers, and bodies with `POISON`; keeps what it has seen.
#[derive(Debug, Clone, Default)]
struct Tiers {
    refused: Vec<&'static str>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl HttpConnector for Tiers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let tier = request.headers().get(HEADER).map(str::to_owned);
        let direct = !request.headers().contains_key("amz-sdk-invocation-id");
        let poison = String::from_utf8_lossy(request.body().bytes().unwrap()).contains("POISON");
        let refused = poison || tier.as_deref().is_some_and(|tier| self.refused.contains(&tier));
        self.seen.lock().unwrap().push((tier, direct));
        let (status, body) = if refused { (400, r#"{"message":"no"}"#) } else { (200, "{}") };
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        if refused {
            response.headers_mut().insert("x-amzn-errortype", REFUSED);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl Tiers {
    fn refusing(refused: &[&'static str]) -> Self {
        Self { refused: refused.to_vec(), ..Self::default() }
    }

    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn invoke(models: &impl Models, body: &str) -> Result<Vec<u8>, Fault> {
    models.invoke("amazon.titan-embed-text-v2:0", body.as_bytes().to_vec()).await
}

#[tokio::test]
async fn every_call_has_the_tier_that_is_set_the_direct_ones_too() {
    let tiers = Tiers::default();
    for tier in [Some("flex"), None] {
        let models = sdk_of(tiers.clone()).models().in_tier(tier);
        for _ in 0..2 {
            invoke(&models, "{}").await.unwrap();
        }
        let tier = tier.map(str::to_owned);
        assert_eq!(tiers.seen(), [(tier.clone(), false), (tier, true)]);
    }
}

#[tokio::test]
async fn a_model_that_refuses_the_tier_is_called_without_it_from_then_on() {
    let tiers = Tiers::refusing(&["flex"]);
    let models = sdk_of(tiers.clone()).models().in_tier(Some("flex"));
    for _ in 0..3 {
        invoke(&models, "{}").await.unwrap();
    }
    let flex = Some("flex".to_owned());
    assert_eq!(tiers.seen(), [(flex, false), (None, false), (None, false), (None, true)]);
}

#[tokio::test]
async fn a_refused_text_is_not_taken_for_a_refused_tier() {
    let tiers = Tiers::default();
    let models = sdk_of(tiers.clone()).models().in_tier(Some("priority"));
    let refused = invoke(&models, "POISON").await.unwrap_err();
    assert_eq!((refused.kind, refused.cause, tiers.seen().len()), (Kind::JobRefused, Cause::Refused, 2));
    invoke(&models, "{}").await.unwrap();
    let priority = Some("priority".to_owned());
    assert_eq!(tiers.seen()[0].0, priority, "still in its tier");
    invoke(&models, "POISON").await.unwrap_err();
    assert_eq!(tiers.seen().len(), 1, "it takes the tier, so the text is at fault");
}
