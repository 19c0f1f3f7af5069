//! AMF0 values: what is read can be written and read again.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use stagebox_media::rtmp::amf0::{Decoder, Value, encode};

fn values(data: &[u8]) -> Option<Vec<Value>> {
    let mut decoder = Decoder::new(data, 16, 2048);
    let mut values = Vec::new();
    while let Some(value) = decoder.next_value().ok()? {
        values.push(value);
    }
    Some(values)
}

fuzz_target!(|data: &[u8]| {
    let Some(read) = values(data) else { return };
    let mut written = BytesMut::new();
    for value in &read {
        encode(value, &mut written);
    }
    let again = values(&written).expect("what was written can be read");
    // By their text: a number that is none does not equal itself.
    assert_eq!(format!("{read:?}"), format!("{again:?}"));
});
