use bytes::BytesMut;
use proptest::prelude::*;

use super::{Amf0Error, Decoder, Value, encode, object};

fn decode(data: &[u8]) -> Result<Vec<Value>, Amf0Error> {
    let mut decoder = Decoder::new(data, 16, 2048);
    let mut values = Vec::new();
    while let Some(value) = decoder.next_value()? {
        values.push(value);
    }
    Ok(values)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|number| Value::Number(f64::from(number) / 8.0)),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,20}".prop_map(Value::String),
        Just(Value::Null),
        Just(Value::Undefined),
        any::<i32>().prop_map(|ms| Value::Date(f64::from(ms))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let properties = prop::collection::vec(("[a-z]{1,8}", inner.clone()), 0..6);
        prop_oneof![
            properties.clone().prop_map(Value::Object),
            properties.prop_map(Value::EcmaArray),
            prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(list in prop::collection::vec(values(), 0..4)) {
        let mut out = BytesMut::new();
        for value in &list {
            encode(value, &mut out);
        }
        prop_assert_eq!(decode(&out), Ok(list));
    }

    #[test]
    fn any_bytes_end_in_a_value_or_an_error(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&data);
    }
}

#[test]
fn nesting_and_counts_are_bounded() {
    let mut deep = Value::Null;
    for _ in 0..20 {
        deep = Value::StrictArray(vec![deep]);
    }
    let mut out = BytesMut::new();
    encode(&deep, &mut out);
    assert_eq!(decode(&out), Err(Amf0Error::TooDeep(16)));

    out.clear();
    encode(&Value::StrictArray(vec![Value::Null; 3000]), &mut out);
    assert_eq!(decode(&out), Err(Amf0Error::TooMany(2048)));

    // An array that claims four thousand million entries and has none.
    assert_eq!(decode(&[10, 255, 255, 255, 255]), Err(Amf0Error::Truncated));
}

#[test]
fn long_strings_and_missing_end_markers_are_read() {
    let long = "x".repeat(70_000);
    let mut out = BytesMut::new();
    encode(&Value::from(long.as_str()), &mut out);
    assert_eq!(out[0], 12);
    assert_eq!(decode(&out), Ok(vec![Value::String(long)]));

    out.clear();
    encode(&object([("a", Value::from(1.0))]), &mut out);
    out.truncate(out.len() - 3);
    assert_eq!(decode(&out), Ok(vec![object([("a", Value::from(1.0))])]));
}
