//! What there is at the end of a world, for the model to judge.

use std::collections::BTreeMap;

use nearline_contract::ResultRecord;

use crate::catalogs::Catalogs;
use crate::jobs::Sent;

/// What a world looks like at its end.
pub(crate) struct End<'a> {
    pub(crate) sent: &'a [Sent],
    pub(crate) catalogs: &'a Catalogs,
    pub(crate) left: usize,
    pub(crate) records_expire: bool,
    /// Every record that was written, and when by the writer's clock.
    pub(crate) writes: Vec<(i64, ResultRecord)>,
    /// Bodies and codes.
    pub(crate) letters: Vec<(String, String)>,
    pub(crate) uploads: BTreeMap<String, Vec<u8>>,
    /// Jobs of direct invocations, and the records that these were answered.
    pub(crate) answers: Vec<(String, Vec<u8>)>,
}
