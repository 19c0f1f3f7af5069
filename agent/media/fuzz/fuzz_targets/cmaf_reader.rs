//! Fragmented MP4 from anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stagebox_media::cmaf::CmafReader;

fuzz_target!(|data: &[u8]| {
    let mut reader = CmafReader::new();
    for part in data.chunks(997) {
        reader.push(part);
        loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});
