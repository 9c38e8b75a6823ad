//! The models of the stand-in, by their ids.

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
}
