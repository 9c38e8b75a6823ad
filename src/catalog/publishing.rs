//! The boundary to where catalogs are published: what publishers need beside [`Artifacts`].
//!
//! Writes by condition settle who wins of two publishers; uploads in parts go on where they were stopped.

use bytes::Bytes;
use time::OffsetDateTime;

use super::artifacts::Artifacts;
use super::location::ObjectName;
use crate::fault::Fault;

/// An object as it was read, and a tag that no other content has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// Its content.
    pub body: Bytes,
    /// S3's `ETag`.
    pub tag: String,
}

/// When a write takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no such object.
    Absent,
    /// The object has this tag.
    Tag(String),
}

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// Its length.
    pub bytes: u64,
    /// When it was written.
    pub modified: OffsetDateTime,
}

/// An upload in parts that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The object that it will make.
    pub name: ObjectName,
    /// Its id.
    pub id: String,
    /// When it began.
    pub began: OffsetDateTime,
}

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 in base64; empty if it was uploaded without.
    pub sha256: String,
    /// S3's `ETag`.
    pub tag: String,
}

/// Writes by condition, lists, deletes, and uploads in parts.
///
/// A write by condition may be answered as refused although it took place, if the first answer was lost. Kinds of faults
/// are those of [`Artifacts`].
pub trait Publishing: Artifacts {
    /// Reads an object; `None` if it does not exist.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn get_tagged(&self, name: &ObjectName) -> impl Future<Output = Result<Option<Tagged>, Fault>> + Send;

    /// Writes an object if the condition holds; whether it did.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn put_if(
        &self,
        name: &ObjectName,
        body: Bytes,
        condition: &Condition,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// Deletes an object; one that does not exist is deleted already.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn delete(&self, name: &ObjectName) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Deletes an object if it has this tag; whether it is gone.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn delete_if(&self, name: &ObjectName, tag: &str) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// All objects of a bucket whose key begins with the folder's.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn list(&self, folder: &ObjectName) -> impl Future<Output = Result<Vec<Listed>, Fault>> + Send;

    /// All uploads that are not complete, of keys that begin with the folder's.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn uploads(&self, folder: &ObjectName) -> impl Future<Output = Result<Vec<Upload>, Fault>> + Send;

    /// Begins an upload in parts.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn begin_upload(&self, name: &ObjectName) -> impl Future<Output = Result<Upload, Fault>> + Send;

    /// The parts that an upload has; none if it is complete, or was given up.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn parts(&self, upload: &Upload) -> impl Future<Output = Result<Vec<Part>, Fault>> + Send;

    /// Uploads a part, which is refused on arrival if this is not its SHA-256 (in base64).
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn put_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: &str,
    ) -> impl Future<Output = Result<Part, Fault>> + Send;

    /// Makes the object of its parts, which are in order.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn complete(&self, upload: &Upload, parts: &[Part]) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Gives an upload up; one that does not exist is given up already.
    ///
    /// # Errors
    /// See [`Artifacts`].
    fn abort(&self, upload: &Upload) -> impl Future<Output = Result<(), Fault>> + Send;
}
