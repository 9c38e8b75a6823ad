//! The values of an Arrow column, whatever its type.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::i256;
use arrow_schema::{DataType, TimeUnit};

use crate::catalog::ipc::{is_string, strings, type_name};

/// Significant digits that each 64-bit float keeps.
const DIGITS_KEPT: u32 = 15;
const MILLISECONDS_OF_DAY: i64 = 86_400_000;

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Float32(f32),
    Float(f64),
    Text(&'a str),
    /// A decimal that no number keeps.
    TooLong,
}

impl Cell<'_> {
    pub(super) fn is_nan(&self) -> bool {
        matches!(self, Self::Float32(value) if value.is_nan()) || matches!(self, Self::Float(value) if value.is_nan())
    }
}

/// A column of lists.
pub(super) struct Lists<'a> {
    column: &'a ArrayRef,
    pub(super) items: &'a ArrayRef,
}

impl<'a> Lists<'a> {
    pub(super) fn of(column: &'a ArrayRef) -> Option<Self> {
        let items = match column.data_type() {
            DataType::List(_) => column.as_list::<i32>().values(),
            DataType::LargeList(_) => column.as_list::<i64>().values(),
            DataType::FixedSizeList(..) => column.as_fixed_size_list().values(),
            _ => return None,
        };
        Some(Self { column, items })
    }

    /// Where the items of a row are.
    pub(super) fn bounds(&self, row: usize) -> (usize, usize) {
        let range = |offsets: &[i32]| (offsets[row] as usize, offsets[row + 1] as usize);
        match self.column.data_type() {
            DataType::List(_) => range(self.column.as_list::<i32>().value_offsets()),
            DataType::LargeList(_) => {
                let offsets = self.column.as_list::<i64>().value_offsets();
                (offsets[row] as usize, offsets[row + 1] as usize)
            }
            _ => {
                let lists = self.column.as_fixed_size_list();
                let start = lists.value_offset_at(row);
                (start, start + lists.value_length() as usize)
            }
        }
    }
}

/// The values of a column that holds no lists.
///
/// # Errors
/// Its type, if it cannot be an attribute.
pub(super) fn cells(column: &ArrayRef) -> Result<Vec<Option<Cell<'_>>>, String> {
    fn each<'a, T: ArrowPrimitiveType>(
        column: &'a ArrayRef,
        cell: impl Fn(T::Native) -> Cell<'a>,
    ) -> Vec<Option<Cell<'a>>> {
        column.as_primitive::<T>().iter().map(|value| value.map(&cell)).collect()
    }
    Ok(match column.data_type() {
        kind if is_string(kind) => {
            let strings = strings(column).map_err(|error| error.to_string())?;
            strings.into_iter().map(|text| text.map(Cell::Text)).collect()
        }
        DataType::Boolean => column.as_boolean().iter().map(|value| value.map(Cell::Boolean)).collect(),
        DataType::Int8 => each::<Int8Type>(column, |value| Cell::Signed(value.into())),
        DataType::Int16 => each::<Int16Type>(column, |value| Cell::Signed(value.into())),
        DataType::Int32 => each::<Int32Type>(column, |value| Cell::Signed(value.into())),
        DataType::Int64 => each::<Int64Type>(column, Cell::Signed),
        DataType::UInt8 => each::<UInt8Type>(column, |value| Cell::Unsigned(value.into())),
        DataType::UInt16 => each::<UInt16Type>(column, |value| Cell::Unsigned(value.into())),
        DataType::UInt32 => each::<UInt32Type>(column, |value| Cell::Unsigned(value.into())),
        DataType::UInt64 => each::<UInt64Type>(column, Cell::Unsigned),
        DataType::Float16 => each::<Float16Type>(column, |value| Cell::Float32(value.to_f32())),
        DataType::Float32 => each::<Float32Type>(column, Cell::Float32),
        DataType::Float64 => each::<Float64Type>(column, Cell::Float),
        DataType::Date32 => each::<Date32Type>(column, |days| Cell::Signed(days.into())),
        DataType::Date64 => {
            each::<Date64Type>(column, |milliseconds| Cell::Signed(milliseconds.div_euclid(MILLISECONDS_OF_DAY)))
        }
        DataType::Timestamp(TimeUnit::Second, _) => each::<TimestampSecondType>(column, Cell::Signed),
        DataType::Timestamp(TimeUnit::Millisecond, _) => each::<TimestampMillisecondType>(column, Cell::Signed),
        DataType::Timestamp(TimeUnit::Microsecond, _) => each::<TimestampMicrosecondType>(column, Cell::Signed),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => each::<TimestampNanosecondType>(column, Cell::Signed),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(column, *scale, |value| Some(value.into())),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(column, *scale, |value| Some(value.into())),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(column, *scale, Some),
        DataType::Decimal256(_, scale) => decimals::<Decimal256Type>(column, *scale, i256::to_i128),
        other => return Err(format!("is {}, which cannot be an attribute", type_name(other))),
    })
}

fn decimals<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    scale: i8,
    integer: impl Fn(T::Native) -> Option<i128>,
) -> Vec<Option<Cell<'static>>> {
    let cell = |value| integer(value).and_then(|value| decimal(value, scale)).unwrap_or(Cell::TooLong);
    column.as_primitive::<T>().iter().map(|value| value.map(cell)).collect()
}

/// `value` / 10^`scale`, if a number keeps all its digits.
fn decimal(mut value: i128, scale: i8) -> Option<Cell<'static>> {
    if scale <= 0 {
        let factor = 10_i128.checked_pow(u32::from(scale.unsigned_abs()))?;
        return i64::try_from(value.checked_mul(factor)?).ok().map(Cell::Signed);
    }
    let mut scale = i32::from(scale);
    while value != 0 && value % 10 == 0 {
        (value, scale) = (value / 10, scale - 1);
    }
    // Parsed, so that it is the float that is nearest to the decimal.
    let is_kept = value.unsigned_abs() < 10_u128.pow(DIGITS_KEPT);
    is_kept.then(|| format!("{value}e{}", -scale).parse().ok()).flatten().map(Cell::Float)
}
