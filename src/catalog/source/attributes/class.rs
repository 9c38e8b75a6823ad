//! What values can be, whatever their widths.

use arrow_schema::DataType;

use super::fit::is_number;

/// What values can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Text,
    Flag,
    Number,
    Moment,
    Texts,
    Numbers,
    Other,
}

/// The class of a column's values by its type.
pub(super) fn class_of(kind: &DataType) -> Class {
    match kind {
        DataType::Utf8 => Class::Text,
        DataType::Boolean => Class::Flag,
        DataType::List(item) if *item.data_type() == DataType::Utf8 => Class::Texts,
        DataType::List(_) => Class::Numbers,
        kind if is_number(kind) => Class::Number,
        _ => Class::Moment,
    }
}

/// Whether a column may be of one type in one file and of the other in the next.
pub(super) fn go_together(one: &DataType, other: &DataType) -> bool {
    one == other || class_of(one) == class_of(other) && class_of(one) != Class::Moment
}
