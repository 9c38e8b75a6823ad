//! Arrow arrays as texts and vectors, in whatever layout a tool wrote them.

use std::borrow::Cow;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::numbers;
use crate::catalog::ipc::type_name;

/// A column of texts: strings in any layout, integers and UUIDs.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    values: Vec<Option<Cow<'a, str>>>,
    /// Which value a row has, if rows share values.
    keys: Option<Vec<usize>>,
}

impl<'a> Texts<'a> {
    /// The texts of an array.
    ///
    /// # Errors
    /// What the array is instead.
    pub(super) fn of(array: &'a ArrayRef) -> Result<Self, String> {
        let plain = |values| Ok(Self { values, keys: None });
        match array.data_type() {
            DataType::Utf8 => plain(array.as_string::<i32>().iter().map(|text| text.map(Cow::Borrowed)).collect()),
            DataType::LargeUtf8 => plain(array.as_string::<i64>().iter().map(|text| text.map(Cow::Borrowed)).collect()),
            DataType::Utf8View => plain(array.as_string_view().iter().map(|text| text.map(Cow::Borrowed)).collect()),
            DataType::Null => plain(vec![None; array.len()]),
            DataType::Int8 => plain(integers::<Int8Type>(array)),
            DataType::Int16 => plain(integers::<Int16Type>(array)),
            DataType::Int32 => plain(integers::<Int32Type>(array)),
            DataType::Int64 => plain(integers::<Int64Type>(array)),
            DataType::UInt8 => plain(integers::<UInt8Type>(array)),
            DataType::UInt16 => plain(integers::<UInt16Type>(array)),
            DataType::UInt32 => plain(integers::<UInt32Type>(array)),
            DataType::UInt64 => plain(integers::<UInt64Type>(array)),
            DataType::FixedSizeBinary(16) => {
                plain(array.as_fixed_size_binary().iter().map(|id| id.map(|id| uuid(id).into())).collect())
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let mut values = Self::of(dictionary.values())?.expanded();
                values.push(None);
                let null = values.len() - 1;
                let keys = if null == 0 { vec![0; array.len()] } else { dictionary.normalized_keys() };
                let keys = keys.into_iter().enumerate();
                let keys = keys.map(|(row, key)| if array.is_null(row) { null } else { key }).collect();
                Ok(Self { values, keys: Some(keys) })
            }
            DataType::RunEndEncoded(ends, _) => {
                let (values, keys) = match ends.data_type() {
                    DataType::Int16 => runs::<Int16Type>(array),
                    DataType::Int32 => runs::<Int32Type>(array),
                    _ => runs::<Int64Type>(array),
                };
                Ok(Self { values: Self::of(values)?.expanded(), keys: Some(keys) })
            }
            kind @ (DataType::Float16 | DataType::Float32 | DataType::Float64) => Err(format!(
                "is {kind}: a string or whole number was expected (a column of whole numbers with gaps becomes one of \
                 fractions in pandas: cast it to a string)"
            )),
            kind @ (DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)) => {
                Err(format!("is {kind}: a string was expected, or a UUID as 16 bytes of fixed size; cast it"))
            }
            kind => Err(format!("is {}: a string or whole number was expected", type_name(kind))),
        }
    }

    /// The text of a row; `None`: null.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let value = self.keys.as_ref().map_or(row, |keys| keys[row]);
        self.values[value].as_deref()
    }

    /// A value for each row.
    fn expanded(self) -> Vec<Option<Cow<'a, str>>> {
        match self.keys {
            Some(keys) => keys.into_iter().map(|key| self.values[key].clone()).collect(),
            None => self.values,
        }
    }
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<Option<Cow<'_, str>>>
where
    T::Native: ToString,
{
    array.as_primitive::<T>().iter().map(|number| number.map(|number| number.to_string().into())).collect()
}

fn runs<T: arrow_array::types::RunEndIndexType>(array: &ArrayRef) -> (&ArrayRef, Vec<usize>) {
    let runs = array.as_run::<T>();
    (runs.values(), (0..runs.len()).map(|row| runs.get_physical_index(row)).collect())
}

/// 8-4-4-4-12 lower-case hex digits, as RFC 9562 writes it.
fn uuid(bytes: &[u8]) -> String {
    let hex = nearline_contract::hash::hex(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// A column of vectors: lists of numbers in any layout, or bytes or text that hold them.
#[derive(Debug)]
pub(super) struct Vectors<'a> {
    rows: Rows<'a>,
    nulls: Option<&'a NullBuffer>,
}

#[derive(Debug)]
enum Rows<'a> {
    Lists { numbers: Cow<'a, [f32]>, null_numbers: Option<&'a NullBuffer>, ranges: Ranges<'a> },
    Bytes(Vec<Option<&'a [u8]>>),
    Texts(Texts<'a>),
    None,
}

/// Which numbers a row has.
#[derive(Debug)]
enum Ranges<'a> {
    Fixed(usize),
    Offsets(&'a [i32]),
    LargeOffsets(&'a [i64]),
    Views(&'a [i32], &'a [i32]),
    LargeViews(&'a [i64], &'a [i64]),
}

impl Ranges<'_> {
    fn get(&self, row: usize) -> Range<usize> {
        match self {
            Self::Fixed(size) => row * size..(row + 1) * size,
            Self::Offsets(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::LargeOffsets(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Views(offsets, sizes) => offsets[row] as usize..(offsets[row] + sizes[row]) as usize,
            Self::LargeViews(offsets, sizes) => offsets[row] as usize..(offsets[row] + sizes[row]) as usize,
        }
    }
}

impl<'a> Vectors<'a> {
    /// The vectors of an array, rounded once to 32 bits.
    ///
    /// # Errors
    /// What the array is instead.
    pub(super) fn of(array: &'a ArrayRef) -> Result<Self, String> {
        let lists = |values: &'a ArrayRef, ranges| {
            Ok(Rows::Lists { numbers: self::numbers(values)?, null_numbers: values.nulls(), ranges })
        };
        let rows = match array.data_type() {
            DataType::FixedSizeList(_, size) => {
                lists(array.as_fixed_size_list().values(), Ranges::Fixed(usize::try_from(*size).unwrap_or_default()))
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                lists(list.values(), Ranges::Offsets(list.value_offsets()))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                lists(list.values(), Ranges::LargeOffsets(list.value_offsets()))
            }
            DataType::ListView(_) => {
                let list = array.as_list_view::<i32>();
                lists(list.values(), Ranges::Views(list.value_offsets(), list.value_sizes()))
            }
            DataType::LargeListView(_) => {
                let list = array.as_list_view::<i64>();
                lists(list.values(), Ranges::LargeViews(list.value_offsets(), list.value_sizes()))
            }
            DataType::Binary => Ok(Rows::Bytes(array.as_binary::<i32>().iter().collect())),
            DataType::LargeBinary => Ok(Rows::Bytes(array.as_binary::<i64>().iter().collect())),
            DataType::BinaryView => Ok(Rows::Bytes(array.as_binary_view().iter().collect())),
            DataType::FixedSizeBinary(_) => Ok(Rows::Bytes(array.as_fixed_size_binary().iter().collect())),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                Texts::of(array).map(Rows::Texts)
            }
            DataType::Null => Ok(Rows::None),
            kind @ DataType::Struct(_) => Err(format!(
                "is {}: write each vector as a list (in JavaScript: declare FixedSizeList of Float32)",
                type_name(kind)
            )),
            kind => Err(format!("is {}: lists of numbers were expected", type_name(kind))),
        }?;
        Ok(Self { rows, nulls: array.nulls() })
    }

    /// The vector of a row; `None`: null.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn get(&self, row: usize) -> Result<Option<Vec<f32>>, String> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(None);
        }
        match &self.rows {
            Rows::Lists { numbers, null_numbers, ranges } => {
                let range = ranges.get(row);
                if let Some(null) = null_numbers.and_then(|nulls| range.clone().find(|&number| nulls.is_null(number))) {
                    return Err(format!("number {} is null", null - range.start));
                }
                Ok(Some(numbers[range].to_vec()))
            }
            Rows::Bytes(rows) => rows[row].map(numbers::from_bytes).transpose(),
            Rows::Texts(texts) => texts.get(row).map_or(Ok(None), numbers::from_text),
            Rows::None => Ok(None),
        }
    }
}

/// The numbers within lists.
fn numbers(values: &ArrayRef) -> Result<Cow<'_, [f32]>, String> {
    #[expect(clippy::cast_lossless, reason = "of all widths alike: each is rounded once")]
    Ok(match values.data_type() {
        DataType::Float32 => Cow::Borrowed(values.as_primitive::<Float32Type>().values()),
        DataType::Float64 => {
            values.as_primitive::<Float64Type>().values().iter().map(|&number| number as f32).collect()
        }
        DataType::Float16 => {
            values.as_primitive::<Float16Type>().values().iter().map(|number| number.to_f32()).collect()
        }
        DataType::Int8 => values.as_primitive::<Int8Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::UInt8 => values.as_primitive::<UInt8Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::Int16 => values.as_primitive::<Int16Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::UInt16 => values.as_primitive::<UInt16Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::Int32 => values.as_primitive::<Int32Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::UInt32 => values.as_primitive::<UInt32Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::Int64 => values.as_primitive::<Int64Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::UInt64 => values.as_primitive::<UInt64Type>().values().iter().map(|&number| number as f32).collect(),
        DataType::Null => Cow::Owned(vec![f32::NAN; values.len()]),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            return Err("is a list of lists: write each vector as one list of numbers".to_owned());
        }
        kind => return Err(format!("is a list of {}: numbers were expected", type_name(kind))),
    })
}
