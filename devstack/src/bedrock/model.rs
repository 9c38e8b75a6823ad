//! The models of the stand-in, by their ids, or by the body where an id does not say.

use serde_json::Value;

use super::embedding::{Embedding, Refusal};
use super::{cohere, nova, titan};

/// The models of the stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    Nova2,
    TitanV2,
    CohereV3,
    CohereV4,
}

impl Model {
    /// The model of this id, with or without the prefix of a cross-region inference profile.
    pub(super) fn from_id(id: &str) -> Option<Self> {
        let id = ["us.", "eu.", "apac.", "global."].iter().find_map(|prefix| id.strip_prefix(prefix)).unwrap_or(id);
        match id {
            "amazon.nova-2-multimodal-embeddings-v1:0" => Some(Self::Nova2),
            "amazon.titan-embed-text-v2:0" => Some(Self::TitanV2),
            "cohere.embed-english-v3" | "cohere.embed-multilingual-v3" => Some(Self::CohereV3),
            "cohere.embed-v4:0" => Some(Self::CohereV4),
            _ => None,
        }
    }

    /// The model behind an application inference profile or provisioned throughput: on AWS the one that it was made
    /// for, here the one whose fields the body has.
    pub(super) fn behind(arn: &str, body: &[u8]) -> Option<Self> {
        const OPAQUE: [&str; 2] = [":application-inference-profile/", ":provisioned-model/"];
        if !arn.starts_with("arn:") || !OPAQUE.iter().any(|kind| arn.contains(kind)) {
            return None;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let has = |field: &str| body.get(field).is_some();
        Some(match () {
            () if has("inputText") => Self::TitanV2,
            () if has("texts") && has("output_dimension") => Self::CohereV4,
            () if has("texts") => Self::CohereV3,
            () => Self::Nova2,
        })
    }

    pub(super) fn parse(self, body: &[u8]) -> Result<Embedding, Refusal> {
        match self {
            Self::Nova2 => nova::parse(body),
            Self::TitanV2 => titan::parse(body),
            Self::CohereV3 => cohere::parse_v3(body),
            Self::CohereV4 => cohere::parse_v4(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_ids_are_known_with_and_without_a_profile_prefix() {
        assert_eq!(Model::from_id("us.amazon.nova-2-multimodal-embeddings-v1:0"), Some(Model::Nova2));
        assert_eq!(Model::from_id("amazon.titan-embed-text-v2:0"), Some(Model::TitanV2));
        assert_eq!(Model::from_id("global.cohere.embed-v4:0"), Some(Model::CohereV4));
        assert_eq!(Model::from_id("cohere.embed-multilingual-v3"), Some(Model::CohereV3));
        assert_eq!(Model::from_id("xx.cohere.embed-v4:0"), None);
        assert_eq!(Model::from_id("amazon.titan-embed-text-v1"), None);
    }

    #[test]
    fn the_body_says_which_model_is_behind_a_profile_of_the_application() {
        let profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
        let behind = |body: &str| Model::behind(profile, body.as_bytes());
        assert_eq!(behind(r#"{"inputText": "a"}"#), Some(Model::TitanV2));
        assert_eq!(behind(r#"{"texts": ["a"]}"#), Some(Model::CohereV3));
        assert_eq!(behind(r#"{"texts": ["a"], "output_dimension": 256}"#), Some(Model::CohereV4));
        assert_eq!(behind(r#"{"singleEmbeddingParams": {}}"#), Some(Model::Nova2));
        assert_eq!(Model::behind("abc123", br#"{"inputText": "a"}"#), None);
    }
}
