//! Text to vector, through Bedrock.
//!
//! [`Model`] knows what a model family takes and answers, one file each; [`bedrock`] makes the call and keeps its
//! limits; [`cache`] answers a text that was asked for before. Vectors are handed on as received: the score is a cosine.

pub mod bedrock;
pub mod cache;
mod cohere;
mod nova;
mod titan;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::bedrock::Bedrock;
use serde_json::Value;

use crate::coalesce::Coalescer;
use crate::fault::Fault;
use bedrock::InvokeError;
use cache::Cache;

/// What a text is embedded for: models place documents and queries differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A product of the catalog.
    Document,
    /// A search for products.
    Query,
}

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// As many finite numbers as the embedder's dimension, not all zero.
    pub vector: Vec<f32>,
    /// Whether the text was longer than the model takes, and its end cut off.
    pub truncated: bool,
}

/// An embedding model whose wire format is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    id: String,
    family: Family,
}

/// Models with the same wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
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
        Ok(Self { id: id.to_owned(), family })
    }

    /// The id as given.
    pub fn id(&self) -> &str {
        &self.id
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
    fn texts_max(self) -> usize {
        match self {
            Self::Nova | Self::Titan => 1,
            Self::CohereV3 | Self::CohereV4 => cohere::TEXTS_MAX,
        }
    }

    /// Longest text that a call takes, in Unicode scalars; longer ones are cut here.
    fn chars_max(self) -> usize {
        match self {
            Self::Nova => nova::CHARS_MAX,
            Self::Titan => titan::CHARS_MAX,
            Self::CohereV3 => cohere::V3_CHARS_MAX,
            Self::CohereV4 => cohere::V4_CHARS_MAX,
        }
    }

    /// A shorter text to try when the model refused this one; `None`: it is not for its length.
    fn shorter(self, text: &str) -> Option<&str> {
        match self {
            Self::Titan => titan::shorter(text),
            Self::Nova | Self::CohereV3 | Self::CohereV4 => None,
        }
    }

    fn request(self, texts: &[&str], purpose: Purpose, dimension: usize) -> Value {
        match self {
            Self::Nova => nova::request(texts[0], purpose, dimension),
            Self::Titan => titan::request(texts[0], dimension),
            Self::CohereV3 => cohere::v3_request(texts, purpose),
            Self::CohereV4 => cohere::v4_request(texts, purpose, dimension),
        }
    }

    fn response(self, body: &[u8]) -> Result<Vec<Embedding>, serde_json::Error> {
        match self {
            Self::Nova => nova::response(body),
            Self::Titan => titan::response(body),
            Self::CohereV3 | Self::CohereV4 => cohere::response(body),
        }
    }
}

/// Embeds texts with one model, for one purpose, at one dimension.
#[derive(Debug)]
pub struct Embedder {
    calls: Coalescer<String, Result<Embedding, Fault>>,
    cache: Cache,
}

impl Embedder {
    /// Starts the tasks that call Bedrock: as many as calls may be in flight. They end when the embedder is dropped.
    pub fn start(bedrock: Bedrock, model: Model, dimension: usize, purpose: Purpose) -> Self {
        let call = Arc::new(Call { bedrock, model, dimension, purpose, answered: AtomicBool::new(false) });
        let (runners, cap) = (call.bedrock.max_concurrency(), call.model.family.texts_max());
        let calls = Coalescer::start(runners, cap, move |texts| {
            let call = Arc::clone(&call);
            async move { call.embed(texts).await }
        });
        Self { calls, cache: Cache::new() }
    }

    /// The vector of `text`; one call serves everyone who asks for the same text at the same time.
    ///
    /// # Errors
    /// [`Fault`] of the call, or of an answer that is none.
    pub async fn embed(&self, text: &str) -> Result<Arc<Embedding>, Fault> {
        self.cache
            .get_or_embed(text, async {
                self.calls.call(text.to_owned()).await.unwrap_or_else(|dropped| Err(Fault::Retry(dropped.to_string())))
            })
            .await
    }
}

/// Calls to Bedrock, for the texts that wait.
struct Call {
    bedrock: Bedrock,
    model: Model,
    dimension: usize,
    purpose: Purpose,
    /// Whether the model has answered: from then on a refusal is about the text, not about how it is called.
    answered: AtomicBool,
}

impl Call {
    async fn embed(&self, texts: Vec<String>) -> Vec<Result<Embedding, Fault>> {
        if let [text] = &texts[..] {
            return vec![self.embed_alone(text).await];
        }
        let inputs: Vec<&str> = texts.iter().map(String::as_str).collect();
        match self.try_embed(&inputs).await {
            Ok(embeddings) => embeddings.into_iter().map(|embedding| self.check(embedding)).collect(),
            Err(InvokeError::Fault(fault)) => vec![Err(fault); texts.len()],
            // A text that the model refuses must not fail those that share its call.
            Err(InvokeError::Refused(_)) => {
                let mut embeddings = Vec::with_capacity(texts.len());
                for text in inputs {
                    embeddings.push(self.embed_alone(text).await);
                }
                embeddings
            }
        }
    }

    /// One text, cut shorter while a model refuses it that does not cut by itself.
    async fn embed_alone(&self, mut text: &str) -> Result<Embedding, Fault> {
        let mut shortened = false;
        loop {
            match self.try_embed(&[text]).await {
                Ok(mut embeddings) => {
                    let mut embedding = embeddings.pop().expect("as many vectors as texts");
                    embedding.truncated |= shortened;
                    return self.check(embedding);
                }
                Err(InvokeError::Fault(fault)) => return Err(fault),
                Err(InvokeError::Refused(cause)) => match self.model.family.shorter(text) {
                    Some(shorter) => (text, shortened) = (shorter, true),
                    None if self.answered.load(Ordering::Relaxed) => return Err(Fault::Retry(cause)),
                    None => return Err(Fault::Permanent(cause)),
                },
            }
        }
    }

    /// As many embeddings as texts, not checked yet.
    async fn try_embed(&self, texts: &[&str]) -> Result<Vec<Embedding>, InvokeError> {
        let family = self.model.family;
        let (inputs, was_cut): (Vec<&str>, Vec<bool>) = texts.iter().map(|text| cut(text, family.chars_max())).unzip();
        let request = family.request(&inputs, self.purpose, self.dimension);
        let answer = self.bedrock.invoke(&self.model.id, request.to_string().into_bytes()).await?;
        let no_vector = |what: &str| InvokeError::Fault(self.no_vector(what));
        let mut embeddings = family.response(&answer).map_err(|error| no_vector(&error.to_string()))?;
        if embeddings.len() != texts.len() {
            return Err(no_vector(&format!("{} vectors for {} texts", embeddings.len(), texts.len())));
        }
        self.answered.store(true, Ordering::Relaxed);
        for (embedding, was_cut) in embeddings.iter_mut().zip(was_cut) {
            embedding.truncated |= was_cut;
        }
        Ok(embeddings)
    }

    /// Retried: a model that fails on one text must not stop the others; attempts are counted.
    fn no_vector(&self, what: &str) -> Fault {
        Fault::Retry(format!("model {} did not answer with vectors: {what}", self.model.id))
    }

    fn check(&self, embedding: Embedding) -> Result<Embedding, Fault> {
        let (length, model) = (embedding.vector.len(), &self.model.id);
        if length != self.dimension {
            let message = format!("model {model} answered a vector of length {length}, expected {}", self.dimension);
            return Err(Fault::Permanent(message));
        }
        if embedding.vector.iter().any(|number| !number.is_finite()) {
            return Err(self.no_vector("a number is beyond 32-bit floats"));
        }
        if embedding.vector.iter().all(|&number| number == 0.0) {
            return Err(self.no_vector("the vector is all zero"));
        }
        Ok(embedding)
    }
}

/// At most `chars_max` characters of a text, and whether that cut it.
fn cut(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
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

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), ("äö", true));
        assert_eq!(cut("äöü", 3), ("äöü", false));
    }
}
