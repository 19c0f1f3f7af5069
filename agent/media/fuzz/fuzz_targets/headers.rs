//! H.264 and AAC headers.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use stagebox_media::h264;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(config) = h264::AvcConfig::parse(&bytes) {
        let _ = config.first_sps();
        let _ = config.to_bytes();
    }
    let _ = h264::AvcConfig::from_annex_b(data);
    let _ = h264::annex_b_to_avcc(data);
    let _ = h264::avcc_to_annex_b(data);
    let _ = h264::contains_idr(data);
    let _ = h264::read_epoch(data);
});
