//! Attributes of tables with types: which types can be kept, as which, and the value of a row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::MILLISECONDS_IN_DAY;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, TimeUnit};
use nearline_contract::clip;

use super::value::{INTEGERS, Number, Value, of_elements};

/// Digits of a decimal that a float tells apart.
const DIGITS_MAX: usize = 15;
/// From the first day of the year 0 to the last of 9999, in days since 1970.
const DAYS: (i64, i64) = (-719_528, 2_932_896);
const SECONDS_IN_DAY: i64 = 86_400;

/// The type of an attribute's column in the artifact by that in a table; that of nulls alone says nothing. `None`: it can
/// be no attribute.
pub(in crate::catalog::source) fn target(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => match scalar(item.data_type())? {
            DataType::Null => Some(DataType::Null),
            DataType::Boolean | DataType::Date32 | DataType::Timestamp(..) => None,
            element => Some(DataType::List(Arc::new(Field::new("item", element, false)))),
        },
        kind => scalar(kind),
    }
}

fn scalar(kind: &DataType) -> Option<DataType> {
    Some(match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Float16 | DataType::Float32 => DataType::Float32,
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
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Dictionary(_, values) => scalar(values)?,
        DataType::RunEndEncoded(_, values) => scalar(values.data_type())?,
        kind @ (DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float64
        | DataType::Timestamp(..)) => kind.clone(),
        _ => return None,
    })
}

/// The value of a row; `None`: there is none.
///
/// # Errors
/// What is there, and cannot be kept.
pub(in crate::catalog::source) fn get(array: &ArrayRef, row: usize) -> Result<Option<Value>, String> {
    if array.is_null(row) {
        return Ok(None);
    }
    let integer = |number: i128| Value::Number(Number::Integer(number));
    let text = |text: &str| Value::Text(text.to_owned());
    Ok(Some(match array.data_type() {
        DataType::Null => return Ok(None),
        DataType::Utf8 => text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => text(array.as_string_view().value(row)),
        DataType::Boolean => Value::Flag(array.as_boolean().value(row)),
        DataType::Int8 => integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => integer(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => integer(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt8 => integer(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => integer(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => integer(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => integer(array.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Float16 => return Ok(float(array.as_primitive::<Float16Type>().value(row).into())),
        DataType::Float32 => return Ok(float(array.as_primitive::<Float32Type>().value(row).into())),
        DataType::Float64 => return Ok(float(array.as_primitive::<Float64Type>().value(row))),
        DataType::Decimal32(..) => decimal::<Decimal32Type>(array, row)?,
        DataType::Decimal64(..) => decimal::<Decimal64Type>(array, row)?,
        DataType::Decimal128(..) => decimal::<Decimal128Type>(array, row)?,
        DataType::Decimal256(..) => decimal::<Decimal256Type>(array, row)?,
        DataType::Date32 => moment(array.as_primitive::<Date32Type>().value(row).into(), 1, 1)?,
        DataType::Date64 => {
            let days = array.as_primitive::<Date64Type>().value(row).div_euclid(MILLISECONDS_IN_DAY);
            moment(days, 1, 1)?
        }
        DataType::Timestamp(unit, _) => {
            let (value, second) = match unit {
                TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1),
                TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
                TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
                TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000_000),
            };
            moment(value, SECONDS_IN_DAY, second)?
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let Some(Value::Number(Number::Integer(key))) = get(&dictionary.keys().slice(row, 1), 0)? else {
                return Ok(None);
            };
            let key = usize::try_from(key).ok().filter(|key| *key < dictionary.values().len());
            return get(dictionary.values(), key.ok_or("is a key without a value in its dictionary")?);
        }
        DataType::RunEndEncoded(ends, _) => {
            return match ends.data_type() {
                DataType::Int16 => run::<Int16Type>(array, row),
                DataType::Int32 => run::<Int32Type>(array, row),
                _ => run::<Int64Type>(array, row),
            };
        }
        DataType::List(_) => elements(&array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => elements(&array.as_list::<i64>().value(row))?,
        DataType::ListView(_) => elements(&array.as_list_view::<i32>().value(row))?,
        DataType::LargeListView(_) => elements(&array.as_list_view::<i64>().value(row))?,
        DataType::FixedSizeList(..) => elements(&array.as_fixed_size_list().value(row))?,
        other => return Err(format!("is {other}")),
    }))
}

fn float(number: f64) -> Option<Value> {
    (!number.is_nan()).then_some(Value::Number(Number::Float(number)))
}

fn run<T: arrow_array::types::RunEndIndexType>(array: &ArrayRef, row: usize) -> Result<Option<Value>, String> {
    let runs = array.as_run::<T>();
    get(runs.values(), runs.get_physical_index(row))
}

fn elements(list: &ArrayRef) -> Result<Value, String> {
    of_elements((0..list.len()).map(|row| get(list, row)), || "is a list of several kinds".to_owned())
}

/// A whole number, or a float that shows the same digits.
fn decimal<T: DecimalType>(array: &ArrayRef, row: usize) -> Result<Value, String> {
    let decimals = array.as_primitive::<T>();
    let text = decimals.value_as_string(row);
    if decimals.scale() <= 0 {
        let number = text.parse().ok().filter(|number| (INTEGERS.0..=INTEGERS.1).contains(number));
        let what = || format!("is {}: whole numbers have at most 64 bits", clip(&text));
        return number.map(|number| Value::Number(Number::Integer(number))).ok_or_else(what);
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = text.parse::<f64>().ok().filter(|_| digits.trim_matches('0').len() <= DIGITS_MAX);
    number.map(|number| Value::Number(Number::Float(number))).ok_or_else(|| {
        format!("is {}: decimals are kept as 64-bit floats, which have {DIGITS_MAX} digits", clip(&text))
    })
}

/// A moment, in units of which `day` times `second` are a day.
fn moment(value: i64, day: i64, second: i64) -> Result<Value, String> {
    let days = value.div_euclid(second).div_euclid(day);
    if (DAYS.0..=DAYS.1).contains(&days) {
        return Ok(Value::Moment(value));
    }
    Err(format!("is {days} days from 1970: dates and timestamps have years from 0000 to 9999"))
}
