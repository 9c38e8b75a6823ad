//! JSON Schemas of the two contracts, generated from the types; docs/schemas/ holds them, and a test compares.

use schemars::{Schema, schema_for};

use crate::job::JobMessage;
use crate::record::ResultRecord;

/// Schema of the message: file name under docs/schemas/, and content.
pub fn schemas() -> [(&'static str, Schema); 2] {
    [("job.schema.json", schema_for!(JobMessage)), ("record.schema.json", schema_for!(ResultRecord))]
}
