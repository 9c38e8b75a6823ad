//! Strings of a column in any of Arrow's layouts.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::{invalid, type_name};
use crate::catalog::CatalogError;

/// Whether a column holds strings.
pub(in crate::catalog) fn is_string(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_string(value),
        _ => false,
    }
}

/// The strings of a column in any of Arrow's layouts.
pub(in crate::catalog) fn strings(column: &ArrayRef) -> Result<Vec<Option<&str>>, CatalogError> {
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().collect(),
        DataType::Utf8View => column.as_string_view().iter().collect(),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            if dictionary.values().is_empty() {
                return Ok(vec![None; dictionary.len()]);
            }
            let values = strings(dictionary.values())?;
            let keys = dictionary.normalized_keys().into_iter().enumerate();
            keys.map(|(row, key)| if dictionary.is_null(row) { None } else { values[key] }).collect()
        }
        other => return Err(invalid(format!("a string column was expected, found {}", type_name(other)))),
    })
}
