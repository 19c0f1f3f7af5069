//! Frames between processes; the other end may be a broken one.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use stagebox_media::wire::{Decoder, encode};

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new();
    for part in data.chunks(101) {
        decoder.push(part);
        loop {
            match decoder.next() {
                Ok(Some(message)) => {
                    let mut written = BytesMut::new();
                    encode(&message, &mut written).expect("what was read can be written");
                    let mut again = Decoder::new();
                    again.push(&written);
                    assert_eq!(again.next().expect("and read again"), Some(message));
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});
