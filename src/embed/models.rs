//! The boundary to those who run embedding models.

use crate::fault::Fault;

/// Runs models by their ids, one JSON body in and one out, in the wire format of the model's family.
///
/// - One call of this trait is one call of the service: an implementation does not try again by itself, or the limits
///   that are kept around it would not hold.
/// - Where a way to call is set that a model refuses, one refused call may be repeated in another way.
/// - A call may be made twice for the same text, and may have been paid for although its answer was lost.
/// - Kinds of faults: `JobRefused` if the service refuses the body (Bedrock's `ValidationException`), which may be
///   about the text in it or about how the model is called; `Permanent` if the model cannot be called at all; `Retry`
///   for all else. An answer without a vector is not a fault of the service: the caller finds it.
pub trait Models: Send + Sync + 'static {
    /// Calls a model.
    ///
    /// # Errors
    /// See [`Models`].
    fn invoke(&self, model_id: &str, body: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send;
}

impl<M: Models> Models for std::sync::Arc<M> {
    fn invoke(&self, model_id: &str, body: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send {
        (**self).invoke(model_id, body)
    }
}
