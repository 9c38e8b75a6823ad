//! Embedding models: which ids are known, and what their families take and answer.

use serde_json::Value;

use super::embedding::{Embedding, Purpose};
use super::{cohere, nova, titan};

/// An embedding model whose wire format is known, at one of its dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Model {
    id: String,
    dimension: usize,
    pub(super) family: Family,
}

/// Models with the same wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Nova,
    Titan,
    CohereV3,
    CohereV4,
}

/// Why a model and dimension cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The id belongs to no family that nearline knows.
    #[error(
        "embedding model `{0}` is not supported: use amazon.nova-2-multimodal-embeddings-v1:0, \
         amazon.titan-embed-text-v2:0, cohere.embed-english-v3, cohere.embed-multilingual-v3 or cohere.embed-v4:0"
    )]
    Unsupported(String),
    /// The model does not offer the dimension.
    #[error("embedding model `{model}` has no dimension {dimension}: it offers {}", list(.offered))]
    Dimension {
        /// Model id.
        model: String,
        /// Dimension asked for.
        dimension: usize,
        /// Dimensions that it has.
        offered: &'static [usize],
    },
}

fn list(dimensions: &[usize]) -> String {
    dimensions.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

impl Model {
    /// The model of an id, with or without a region prefix or as the ARN of an inference profile, for vectors of
    /// length `dimension`.
    ///
    /// # Errors
    /// [`ModelError`] for an unknown id, or a dimension that the model does not offer.
    pub fn new(id: &str, dimension: usize) -> Result<Self, ModelError> {
        let base = base_id(id);
        let family = if base.starts_with("amazon.nova-2-multimodal-embeddings") {
            Family::Nova
        } else if base.starts_with("amazon.titan-embed-text-v2") {
            Family::Titan
        } else if base.starts_with("cohere.embed-v4") {
            Family::CohereV4
        } else if base.starts_with("cohere.embed-english-v3") || base.starts_with("cohere.embed-multilingual-v3") {
            Family::CohereV3
        } else {
            return Err(ModelError::Unsupported(id.to_owned()));
        };
        let offered = family.dimensions();
        if !offered.contains(&dimension) {
            return Err(ModelError::Dimension { model: id.to_owned(), dimension, offered });
        }
        Ok(Self { id: id.to_owned(), dimension, family })
    }

    /// The id as given.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Length of its vectors.
    pub fn dimension(&self) -> usize {
        self.dimension
    }
}

/// A model id without the prefix of a cross-region inference profile.
pub fn base_id(id: &str) -> &str {
    let id = id.rsplit('/').next().unwrap_or(id);
    match id.split_once('.') {
        Some(("us" | "us-gov" | "eu" | "apac" | "au" | "ca" | "jp" | "global", base)) => base,
        _ => id,
    }
}

impl Family {
    fn dimensions(self) -> &'static [usize] {
        match self {
            Self::Nova => nova::DIMENSIONS,
            Self::Titan => titan::DIMENSIONS,
            Self::CohereV3 => cohere::V3_DIMENSIONS,
            Self::CohereV4 => cohere::V4_DIMENSIONS,
        }
    }

    /// Most texts in one call.
    pub(super) fn texts_max(self) -> usize {
        match self {
            Self::Nova | Self::Titan => 1,
            Self::CohereV3 | Self::CohereV4 => cohere::TEXTS_MAX,
        }
    }

    /// Longest text that a call takes, in Unicode scalars; longer ones are cut here.
    pub(super) fn chars_max(self) -> usize {
        match self {
            Self::Nova => nova::CHARS_MAX,
            Self::Titan => titan::CHARS_MAX,
            Self::CohereV3 => cohere::V3_CHARS_MAX,
            Self::CohereV4 => cohere::V4_CHARS_MAX,
        }
    }

    /// A shorter text to try when the model refused this one; `None`: it is not for its length.
    pub(super) fn shorter(self, text: &str) -> Option<&str> {
        match self {
            Self::Titan => titan::shorter(text),
            Self::Nova | Self::CohereV3 | Self::CohereV4 => None,
        }
    }

    pub(super) fn request(self, texts: &[&str], purpose: Purpose, dimension: usize) -> Value {
        match self {
            Self::Nova => nova::request(texts[0], purpose, dimension),
            Self::Titan => titan::request(texts[0], dimension),
            Self::CohereV3 => cohere::v3_request(texts, purpose),
            Self::CohereV4 => cohere::v4_request(texts, purpose, dimension),
        }
    }

    pub(super) fn response(self, body: &[u8]) -> Result<Vec<Embedding>, serde_json::Error> {
        match self {
            Self::Nova => nova::response(body),
            Self::Titan => titan::response(body),
            Self::CohereV3 | Self::CohereV4 => cohere::response(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_id_with_any_prefix() {
        for (id, dimension, family) in [
            ("amazon.nova-2-multimodal-embeddings-v1:0", 3072, Family::Nova),
            ("us.amazon.nova-2-multimodal-embeddings-v1:0", 384, Family::Nova),
            ("amazon.titan-embed-text-v2:0", 256, Family::Titan),
            ("cohere.embed-english-v3", 1024, Family::CohereV3),
            ("cohere.embed-multilingual-v3", 1024, Family::CohereV3),
            ("global.cohere.embed-v4:0", 1536, Family::CohereV4),
            ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.cohere.embed-v4:0", 256, Family::CohereV4),
        ] {
            assert_eq!(Model::new(id, dimension).unwrap().family, family, "{id}");
        }
    }

    #[test]
    fn an_unknown_model_or_dimension_is_refused_with_what_there_is() {
        let unknown = Model::new("amazon.titan-embed-text-v1", 1536).unwrap_err();
        assert!(unknown.to_string().starts_with("embedding model `amazon.titan-embed-text-v1` is not supported: use "));
        let dimension = Model::new("amazon.titan-embed-text-v2:0", 384).unwrap_err();
        assert_eq!(
            dimension.to_string(),
            "embedding model `amazon.titan-embed-text-v2:0` has no dimension 384: it offers 256, 512, 1024"
        );
    }
}
