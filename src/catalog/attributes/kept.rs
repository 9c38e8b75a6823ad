//! The types that attributes have in an artifact that is written anew.

use std::sync::Arc;

use arrow_schema::{DataType, Field};

/// The type of an attribute's column in an artifact that is written anew: one for all whole numbers, so that an update may
/// hold larger ones than the artifact does.
pub(super) fn kept_as(kind: &DataType) -> DataType {
    match kind {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) => kept_as(values),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            DataType::Int64
        }
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            if *scale > 0 {
                DataType::Float64
            } else {
                DataType::Int64
            }
        }
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new("item", kept_as(item.data_type()), false)))
        }
        kind => kind.clone(),
    }
}

/// Whether a column of an update may be of this type, where the artifact keeps another as `kept`: whole numbers are
/// compared one by one.
pub(super) fn goes_with(kept: &DataType, other: &DataType) -> bool {
    let is_whole = |kind: &DataType| matches!(kind, DataType::Int64 | DataType::UInt64);
    match (kept, kept_as(other)) {
        (DataType::List(kept), DataType::List(other)) => goes_with(kept.data_type(), other.data_type()),
        (kept, other) => *kept == other || is_whole(kept) && is_whole(&other),
    }
}
