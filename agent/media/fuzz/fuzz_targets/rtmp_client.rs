//! A server that says anything.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use stagebox_media::rtmp::{ClientConfig, ClientSession};

fuzz_target!(|data: &[u8]| {
    let mut client = ClientSession::new(ClientConfig::default());
    let mut input = BytesMut::zeroed(1 + 2 * 1536);
    input[0] = 3;
    input.extend_from_slice(data);
    while let Ok(Some(_)) = client.next(&mut input) {}
    assert!(client.output().len() <= 8000 + 8 * data.len());
});
