//! Values of an attribute as a column.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, ArrowTimestampType, Date32Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, Float64Array, ListArray, PrimitiveArray, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, TimeUnit};

use crate::catalog::source::{Number, Value};

/// About how many bytes a value takes in a column.
pub(super) fn bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Texts(texts) => texts.iter().map(|text| text.len() + size_of::<i32>()).sum(),
        Value::Numbers(numbers) => size_of_val(&numbers[..]),
        _ => size_of::<i64>(),
    }
}

/// The column of these values, one for each row.
///
/// # Errors
/// A value is not of the column's type.
pub(in crate::catalog) fn array<'a>(
    field: &Field,
    values: impl Iterator<Item = &'a Option<Value>>,
) -> Result<ArrayRef, ArrowError> {
    let values: Vec<Option<&Value>> = values.map(Option::as_ref).collect();
    let made = match field.data_type() {
        DataType::Utf8 => each(&values, |value| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
            .map(|texts| Arc::new(StringArray::from(texts)) as ArrayRef),
        DataType::Boolean => each(&values, |value| if let Value::Flag(flag) = value { Some(*flag) } else { None })
            .map(|flags| Arc::new(BooleanArray::from(flags)) as ArrayRef),
        DataType::Date32 => days(&values),
        DataType::Timestamp(unit, zone) => timestamps(&values, *unit, zone.as_ref()),
        DataType::List(item) => lists(&values, item)?,
        kind => each(&values, |value| if let Value::Number(number) = value { Some(*number) } else { None })
            .and_then(|values| numbers(kind, values)),
    };
    made.ok_or_else(|| ArrowError::SchemaError(format!("a value of column {} is of another type", field.name())))
}

/// What each value holds; `None`: one holds something else.
fn each<'a, T>(values: &[Option<&'a Value>], get: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<Option<T>>> {
    values.iter().map(|value| value.map_or(Some(None), |value| get(value).map(Some))).collect()
}

fn moments(values: &[Option<&Value>]) -> Option<Vec<Option<i64>>> {
    each(values, |value| if let Value::Moment(moment) = value { Some(*moment) } else { None })
}

fn days(values: &[Option<&Value>]) -> Option<ArrayRef> {
    let days = moments(values)?.into_iter().map(|day| day.map(i32::try_from).transpose().ok());
    Some(Arc::new(days.collect::<Option<Vec<_>>>()?.into_iter().collect::<PrimitiveArray<Date32Type>>()))
}

fn timestamps(values: &[Option<&Value>], unit: TimeUnit, zone: Option<&Arc<str>>) -> Option<ArrayRef> {
    let values = moments(values)?;
    Some(match unit {
        TimeUnit::Second => timestamp::<TimestampSecondType>(values, zone),
        TimeUnit::Millisecond => timestamp::<TimestampMillisecondType>(values, zone),
        TimeUnit::Microsecond => timestamp::<TimestampMicrosecondType>(values, zone),
        TimeUnit::Nanosecond => timestamp::<TimestampNanosecondType>(values, zone),
    })
}

fn timestamp<T: ArrowTimestampType>(values: Vec<Option<i64>>, zone: Option<&Arc<str>>) -> ArrayRef {
    let times: PrimitiveArray<T> = values.into_iter().collect();
    Arc::new(times.with_timezone_opt(zone.cloned()))
}

fn lists(values: &[Option<&Value>], item: &FieldRef) -> Result<Option<ArrayRef>, ArrowError> {
    let (mut lengths, mut texts, mut elements) = (Vec::with_capacity(values.len()), Vec::new(), Vec::new());
    for value in values {
        lengths.push(match value {
            None | Some(Value::Empty) => 0,
            Some(Value::Texts(list)) => {
                texts.extend(list.iter().map(String::as_str));
                list.len()
            }
            Some(Value::Numbers(list)) => {
                elements.extend(list.iter().copied().map(Some));
                list.len()
            }
            Some(_) => return Ok(None),
        });
    }
    let elements: Option<ArrayRef> = match item.data_type() {
        DataType::Utf8 if elements.is_empty() => Some(Arc::new(StringArray::from_iter_values(texts))),
        kind if texts.is_empty() => numbers(kind, elements),
        _ => None,
    };
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
    let (item, offsets) = (FieldRef::clone(item), OffsetBuffer::from_lengths(lengths));
    let list =
        |elements| ListArray::try_new(item, offsets, elements, Some(nulls).filter(|nulls| nulls.null_count() > 0));
    elements.map(|elements| Ok(Arc::new(list(elements)?) as ArrayRef)).transpose()
}

fn numbers(kind: &DataType, values: Vec<Option<Number>>) -> Option<ArrayRef> {
    Some(match kind {
        DataType::Int8 => integers::<Int8Type>(values)?,
        DataType::Int16 => integers::<Int16Type>(values)?,
        DataType::Int32 => integers::<Int32Type>(values)?,
        DataType::Int64 => integers::<Int64Type>(values)?,
        DataType::UInt8 => integers::<UInt8Type>(values)?,
        DataType::UInt16 => integers::<UInt16Type>(values)?,
        DataType::UInt32 => integers::<UInt32Type>(values)?,
        DataType::UInt64 => integers::<UInt64Type>(values)?,
        DataType::Float32 => {
            Arc::new(floats(values)?.into_iter().map(|float| float.map(|float| float as f32)).collect::<Float32Array>())
        }
        DataType::Float64 => Arc::new(Float64Array::from(floats(values)?)),
        _ => return None,
    })
}

fn integers<T: ArrowPrimitiveType>(values: Vec<Option<Number>>) -> Option<ArrayRef>
where
    T::Native: TryFrom<i128>,
{
    let integer = |number: Number| match number {
        Number::Integer(integer) => T::Native::try_from(integer).ok(),
        Number::Float(_) => None,
    };
    let integers = values.into_iter().map(|number| number.map_or(Some(None), |number| integer(number).map(Some)));
    Some(Arc::new(integers.collect::<Option<Vec<_>>>()?.into_iter().collect::<PrimitiveArray<T>>()))
}

fn floats(values: Vec<Option<Number>>) -> Option<Vec<Option<f64>>> {
    let float = |number: Number| match number {
        Number::Float(float) => Some(float),
        Number::Integer(_) => None,
    };
    values.into_iter().map(|number| number.map_or(Some(None), |number| float(number).map(Some))).collect()
}
