//! Embedding models: which names are known, and what their families take and answer.
//!
//! A model has two names that can differ: what is called (an id, or the ARN of an inference profile or of provisioned
//! throughput) and which model that is, by its base id. Most names say so themselves; for those that do not, an
//! application inference profile's above all, somebody has to: vectors of different models do not compare.

use serde_json::Value;

use super::embedding::{Embedding, Purpose};
use super::{cohere, nova, titan};

/// An embedding model whose wire format is known, at one of its dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Model {
    called: String,
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

/// The models that are known, as messages list them.
const KNOWN: &str = "amazon.nova-2-multimodal-embeddings-v1:0, amazon.titan-embed-text-v2:0, cohere.embed-english-v3, \
                     cohere.embed-multilingual-v3 or cohere.embed-v4:0";

/// Why a model and dimension cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The id belongs to no family that nearline knows.
    #[error("embedding model `{0}` is not supported: use {KNOWN}")]
    Unsupported(String),
    /// The name does not say which model it is of, as that of an application inference profile.
    #[error(
        "embedding model `{0}` does not say which model it is: set NEARLINE_EMBEDDING_MODEL_FAMILY to the id of the \
         model behind it, one of {KNOWN}"
    )]
    Opaque(String),
    /// The name says that it is another model than the family that was set.
    #[error(
        "embedding model `{called}` is not `{family}`, which NEARLINE_EMBEDDING_MODEL_FAMILY says: correct one of them"
    )]
    Contradiction {
        /// What is called.
        called: String,
        /// The family that was set.
        family: String,
    },
    /// The model, or what is called, takes no batch jobs.
    #[error(
        "embedding model `{0}` has no batch inference, which Bedrock offers for amazon.titan-embed-text-v2:0 and not for \
         provisioned models: build without it"
    )]
    NoBatches(String),
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
    /// The model that is called by `called`, for vectors of length `dimension`. `family`, the id of a known model, says
    /// which one it is; only a name that does not say so itself needs it.
    ///
    /// # Errors
    /// [`ModelError`]: no known model, a family that contradicts the name, or a dimension that the model does not offer.
    pub fn new(called: &str, family: Option<&str>, dimension: usize) -> Result<Self, ModelError> {
        let (id, family) = identify(called, family)?;
        let offered = family.dimensions();
        if !offered.contains(&dimension) {
            return Err(ModelError::Dimension { model: id.to_owned(), dimension, offered });
        }
        Ok(Self { called: called.to_owned(), id: id.to_owned(), dimension, family })
    }

    /// Which model it is, as catalogs name it: its base id, with the prefix of a cross-region inference profile if that
    /// is what is called. Never an ARN.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is called: the name as it was given.
    pub fn called(&self) -> &str {
        &self.called
    }

    /// Unicode scalars of a text that it takes; what is longer is cut.
    pub fn chars_max(&self) -> usize {
        self.family.chars_max()
    }

    /// Length of its vectors.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Checks that batch jobs can be run with it.
    pub(super) fn check_batches(&self) -> Result<(), ModelError> {
        let refused = self.family != Family::Titan || self.called.contains(":provisioned-model/");
        if refused { Err(ModelError::NoBatches(self.called.clone())) } else { Ok(()) }
    }
}

/// Which model is called by `called`: the part of that name which says so, or the base id of `family`.
///
/// # Errors
/// [`ModelError`], but for dimensions.
pub fn model_id<'a>(called: &'a str, family: Option<&'a str>) -> Result<&'a str, ModelError> {
    Ok(identify(called, family)?.0)
}

fn identify<'a>(called: &'a str, family: Option<&'a str>) -> Result<(&'a str, Family), ModelError> {
    let contradiction =
        |family: &str| ModelError::Contradiction { called: called.to_owned(), family: family.to_owned() };
    let named = last_part(called);
    match (Family::of(base_id(named)), family) {
        (Some(known), None) => Ok((named, known)),
        // Provisioned throughput has ids that go on: amazon.titan-embed-text-v2:0:8k.
        (Some(known), Some(family)) if base_id(named).starts_with(base_id(family)) => Ok((named, known)),
        (Some(_), Some(family)) => Err(contradiction(family)),
        (None, Some(family)) => {
            let id = base_id(family);
            let known = Family::of(id).ok_or_else(|| ModelError::Unsupported(family.to_owned()))?;
            if is_of_known_provider(named) { Err(contradiction(family)) } else { Ok((id, known)) }
        }
        (None, None) if is_of_known_provider(named) => Err(ModelError::Unsupported(called.to_owned())),
        (None, None) => Err(ModelError::Opaque(called.to_owned())),
    }
}

/// Whether a name that belongs to no known family is the id of some other model, and says so.
fn is_of_known_provider(named: &str) -> bool {
    ["amazon.", "cohere."].iter().any(|provider| base_id(named).starts_with(provider))
}

/// The id at the end of an ARN, or the id as it is.
fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A model id without the prefix of a cross-region inference profile.
pub fn base_id(id: &str) -> &str {
    let id = last_part(id);
    match id.split_once('.') {
        Some(("us" | "us-gov" | "eu" | "apac" | "au" | "ca" | "jp" | "global", base)) => base,
        _ => id,
    }
}

impl Family {
    fn of(base: &str) -> Option<Self> {
        if base.starts_with("amazon.nova-2-multimodal-embeddings") {
            Some(Self::Nova)
        } else if base.starts_with("amazon.titan-embed-text-v2") {
            Some(Self::Titan)
        } else if base.starts_with("cohere.embed-v4") {
            Some(Self::CohereV4)
        } else if base.starts_with("cohere.embed-english-v3") || base.starts_with("cohere.embed-multilingual-v3") {
            Some(Self::CohereV3)
        } else {
            None
        }
    }

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
            assert_eq!(Model::new(id, None, dimension).unwrap().family, family, "{id}");
        }
    }

    #[test]
    fn an_unknown_model_or_dimension_is_refused_with_what_there_is() {
        let unknown = Model::new("amazon.titan-embed-text-v1", None, 1536).unwrap_err();
        assert!(unknown.to_string().starts_with("embedding model `amazon.titan-embed-text-v1` is not supported: use "));
        let dimension = Model::new("amazon.titan-embed-text-v2:0", None, 384).unwrap_err();
        assert_eq!(
            dimension.to_string(),
            "embedding model `amazon.titan-embed-text-v2:0` has no dimension 384: it offers 256, 512, 1024"
        );
    }

    const PROFILE: &str = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6";
    const TITAN: &str = "amazon.titan-embed-text-v2:0";

    #[test]
    fn a_name_that_does_not_say_which_model_it_is_needs_the_family() {
        let provisioned = "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/xyz";
        for called in [PROFILE, provisioned, "embeddings-of-the-team"] {
            let model = Model::new(called, Some("us.amazon.titan-embed-text-v2:0"), 512).unwrap();
            assert_eq!((model.called(), model.id(), model.family), (called, TITAN, Family::Titan));
            let message = Model::new(called, None, 512).unwrap_err().to_string();
            assert!(message.contains(called) && message.contains("set NEARLINE_EMBEDDING_MODEL_FAMILY"), "{message}");
        }
        let unknown = Model::new(PROFILE, Some("amazon.titan-embed-text-v1"), 512).unwrap_err().to_string();
        assert!(unknown.starts_with("embedding model `amazon.titan-embed-text-v1` is not supported"), "{unknown}");
    }

    #[test]
    fn a_name_that_says_which_model_it_is_may_have_the_same_family_beside_and_no_other() {
        let id = |called, family| model_id(called, Some(family));
        assert_eq!(id("us.cohere.embed-v4:0", "cohere.embed-v4:0").unwrap(), "us.cohere.embed-v4:0");
        assert_eq!(id("amazon.titan-embed-text-v2:0:8k", TITAN).unwrap(), "amazon.titan-embed-text-v2:0:8k");
        for called in [TITAN, "amazon.titan-embed-text-v1", "cohere.embed-multilingual-v3"] {
            let message = id(called, "cohere.embed-english-v3").unwrap_err().to_string();
            assert!(message.contains(called) && message.contains("is not `cohere.embed-english-v3`"), "{message}");
        }
    }

    #[test]
    fn a_catalog_never_names_an_arn() {
        let arn = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.cohere.embed-v4:0";
        let model = Model::new(arn, None, 256).unwrap();
        assert_eq!((model.called(), model.id()), (arn, "eu.cohere.embed-v4:0"));
    }
}
