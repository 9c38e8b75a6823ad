//! What publishers need of artifacts in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::MemoryArtifacts;
use super::uploads::UnderWay;
use crate::catalog::location::ObjectName;
use crate::catalog::publishing::{Condition, Listed, Part, Publishing, Tagged, Upload};
use crate::fault::{Call, Cause, Fault};

fn tag(body: &Bytes) -> String {
    hex(&Sha256::digest(body))[..32].to_owned()
}

impl MemoryArtifacts {
    /// Keys of all objects, in order.
    pub fn keys(&self) -> Vec<String> {
        self.objects().keys().map(|name| name.key.clone()).collect()
    }

    fn holds(&self, name: &ObjectName, condition: &Condition) -> bool {
        let found = self.objects().get(name).map(tag);
        match condition {
            Condition::Absent => found.is_none(),
            Condition::Tag(tag) => found.as_ref() == Some(tag),
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &ObjectName,
        effect: impl FnOnce(&Self, &ObjectName) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (artifacts, name) = (self.clone(), name.clone());
        let call = Call::new("Memory", operation, name.to_string());
        self.plan.call(call, move || effect(&artifacts, &name)).await
    }
}

fn no_such_upload(operation: &'static str, name: &ObjectName) -> Fault {
    Fault::of(Call::new("Memory", operation, name.to_string()), Cause::NotFound, "NoSuchUpload")
}

impl Publishing for MemoryArtifacts {
    async fn get_tagged(&self, name: &ObjectName) -> Result<Option<Tagged>, Fault> {
        let get = |artifacts: &Self, name: &ObjectName| {
            Ok(artifacts.objects().get(name).map(|body| Tagged { body: body.clone(), tag: tag(body) }))
        };
        self.call("GetObject", name, get).await
    }

    async fn put_if(&self, name: &ObjectName, body: Bytes, condition: &Condition) -> Result<bool, Fault> {
        let condition = condition.clone();
        let put = move |artifacts: &Self, name: &ObjectName| {
            let holds = artifacts.holds(name, &condition);
            if holds {
                artifacts.set(name, Some(body));
            }
            Ok(holds)
        };
        self.call("PutObject", name, put).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), Fault> {
        let delete = |artifacts: &Self, name: &ObjectName| {
            artifacts.set(name, None);
            Ok(())
        };
        self.call("DeleteObject", name, delete).await
    }

    async fn delete_if(&self, name: &ObjectName, tag: &str) -> Result<bool, Fault> {
        let condition = Condition::Tag(tag.to_owned());
        let delete = move |artifacts: &Self, name: &ObjectName| {
            let holds = artifacts.holds(name, &condition);
            if holds {
                artifacts.set(name, None);
            }
            Ok(holds || !artifacts.objects().contains_key(name))
        };
        self.call("DeleteObject", name, delete).await
    }

    async fn list(&self, folder: &ObjectName) -> Result<Vec<Listed>, Fault> {
        let list = |artifacts: &Self, folder: &ObjectName| {
            let modified = artifacts.modified();
            let objects = artifacts.objects();
            let inside = objects.iter().filter(|(name, _)| is_inside(name, folder));
            let listed = |(name, body): (&ObjectName, &Bytes)| Listed {
                name: name.clone(),
                bytes: body.len() as u64,
                modified: modified.get(name).copied().unwrap_or(OffsetDateTime::UNIX_EPOCH),
            };
            Ok(inside.map(listed).collect())
        };
        self.call("ListObjectsV2", folder, list).await
    }

    async fn uploads(&self, folder: &ObjectName) -> Result<Vec<Upload>, Fault> {
        let list = |artifacts: &Self, folder: &ObjectName| {
            let uploads = artifacts.uploads.lock();
            let inside = uploads.by_id.iter().filter(|(_, upload)| is_inside(&upload.name, folder));
            let listed =
                inside.map(|(id, upload)| Upload { name: upload.name.clone(), id: id.clone(), began: upload.began });
            Ok(listed.collect())
        };
        self.call("ListMultipartUploads", folder, list).await
    }

    async fn begin_upload(&self, name: &ObjectName) -> Result<Upload, Fault> {
        let begin = |artifacts: &Self, name: &ObjectName| {
            let mut uploads = artifacts.uploads.lock();
            uploads.begun += 1;
            let (id, began) = (format!("upload-{}", uploads.begun), artifacts.clock.now());
            uploads.by_id.insert(id.clone(), UnderWay { name: name.clone(), began, parts: BTreeMap::new() });
            Ok(Upload { name: name.clone(), id, began })
        };
        self.call("CreateMultipartUpload", name, begin).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<Part>, Fault> {
        let id = upload.id.clone();
        let parts = move |artifacts: &Self, _: &ObjectName| {
            let uploads = artifacts.uploads.lock();
            let parts =
                uploads.by_id.get(&id).map(|upload| upload.parts.values().map(|(part, _)| part.clone()).collect());
            Ok(parts.unwrap_or_default())
        };
        self.call("ListParts", &upload.name, parts).await
    }

    async fn put_part(&self, upload: &Upload, number: u32, body: Bytes, sha256: &str) -> Result<Part, Fault> {
        let part = Part { number, bytes: body.len() as u64, sha256: sha256.to_owned(), tag: tag(&body) };
        let id = upload.id.clone();
        let put = move |artifacts: &Self, name: &ObjectName| {
            let mut uploads = artifacts.uploads.lock();
            let upload = uploads.by_id.get_mut(&id).ok_or_else(|| no_such_upload("UploadPart", name))?;
            upload.parts.insert(number, (part.clone(), body));
            Ok(part)
        };
        self.call("UploadPart", &upload.name, put).await
    }

    async fn complete(&self, upload: &Upload, parts: &[Part]) -> Result<(), Fault> {
        let (id, parts) = (upload.id.clone(), parts.to_vec());
        let complete = move |artifacts: &Self, name: &ObjectName| {
            let mut uploads = artifacts.uploads.lock();
            let upload = uploads.by_id.get(&id).ok_or_else(|| no_such_upload("CompleteMultipartUpload", name))?;
            let stored = |part: &Part| upload.parts.get(&part.number).filter(|(stored, _)| stored == part);
            let bodies: Option<Vec<&[u8]>> = parts.iter().map(|part| Some(&stored(part)?.1[..])).collect();
            let Some(bodies) = bodies else { return Err(Fault::new(Cause::Refused, "InvalidPart")) };
            artifacts.set(name, Some(bodies.concat().into()));
            uploads.by_id.remove(&id);
            Ok(())
        };
        self.call("CompleteMultipartUpload", &upload.name, complete).await
    }

    async fn abort(&self, upload: &Upload) -> Result<(), Fault> {
        let id = upload.id.clone();
        let abort = move |artifacts: &Self, _: &ObjectName| {
            artifacts.uploads.lock().by_id.remove(&id);
            Ok(())
        };
        self.call("AbortMultipartUpload", &upload.name, abort).await
    }
}

fn is_inside(name: &ObjectName, folder: &ObjectName) -> bool {
    name.bucket == folder.bucket && name.key.starts_with(&folder.key)
}
