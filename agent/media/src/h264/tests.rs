use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::Epoch;

/// x264, High, 1280x720, 30 frames a second.
const AVCC_720P30: &str =
    "0164001fffe1001a6764001facd9405005bb0110000003001000000303c0 f183196001000468ef8fcbfdf8f800";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn nal(kind: u8) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(move |mut body| {
        body.insert(0, 0x60 | kind);
        let mut escaped = nal::escape(&body);
        escaped.push(0x80);
        escaped
    })
}

fn access_unit() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let before = proptest::collection::vec(prop_oneof![nal(9), nal(6), nal(7), nal(8)], 0..4);
    let slices = proptest::collection::vec(prop_oneof![nal(1), nal(5)], 1..4);
    (before, slices).prop_map(|(mut before, slices)| {
        before.extend(slices);
        before
    })
}

fn avcc(nals: &[Vec<u8>]) -> Bytes {
    nals.iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
}

#[test]
fn a_720p_configuration_is_read_and_written_alike() {
    let data = Bytes::from(hex(AVCC_720P30));
    let config = AvcConfig::parse(&data).unwrap();
    assert_eq!(config.codec_string(), "avc1.64001f");
    let sps = config.first_sps().unwrap();
    assert_eq!((sps.width, sps.height, sps.chroma_format), (1280, 720, 1));
    assert_eq!(sps.frame_rate, Some((30, 1)));
    assert_eq!(config.to_bytes(), data);

    let stream: Vec<u8> =
        config.sps.iter().chain(&config.pps).flat_map(|set| [&[0, 0, 0, 1], &set[..]].concat()).collect();
    assert_eq!(AvcConfig::from_annex_b(&stream).unwrap(), config);
}

#[test]
fn what_is_no_configuration_is_refused_by_name() {
    let cases: [(&[u8], H264Error); 4] = [
        (&[], H264Error::TooShort("avcC")),
        (&[0; 7], H264Error::Version(0)),
        (&[1, 100, 0, 31, 0xfe, 0xe1, 0], H264Error::LengthSize(3)),
        (&[1, 100, 0, 31, 0xff, 0xe0, 0], H264Error::Missing("SPS")),
    ];
    for (data, expected) in cases {
        assert_eq!(AvcConfig::parse(&Bytes::copy_from_slice(data)), Err(expected));
    }
}

#[test]
fn an_epoch_full_of_zeros_makes_no_start_code() {
    let picture = avcc(&[vec![0x65, 0x88, 0x80]]);
    for epoch in [1, 0x0100_0000_0000_0000, 0x0000_0300_0001_0002, u64::MAX] {
        let written = write_epoch(&picture, Epoch(epoch));
        let sei = avcc_nals(&written).next().unwrap();
        assert!(!sei.0.windows(3).any(|window| window[..2] == [0, 0] && window[2] < 3), "{:02x?}", sei.0);
        assert_eq!(read_epoch(&written), Some(Epoch(epoch)));
    }
    assert_eq!(write_epoch(&picture, Epoch::UNKNOWN), picture);
    assert_eq!(read_epoch(&picture), None);
}

#[test]
fn lengths_of_two_bytes_are_widened() {
    let narrow = Bytes::from_static(&[0, 2, 0x65, 0x80, 0, 1, 0x41]);
    assert_eq!(&widen_lengths(&narrow, 2).unwrap()[..], [0, 0, 0, 2, 0x65, 0x80, 0, 0, 0, 1, 0x41]);
    assert_eq!(widen_lengths(&narrow.slice(..6), 2), Err(H264Error::TooShort("access unit")));
    assert_eq!(widen_lengths(&narrow, 3), Err(H264Error::LengthSize(3)));
}

proptest! {
    #[test]
    fn the_epoch_written_is_read_and_the_rest_is_kept(nals in access_unit(), epoch in 1u64..) {
        let plain = avcc(&nals);
        let written = write_epoch(&plain, Epoch(epoch));
        prop_assert_eq!(read_epoch(&written), Some(Epoch(epoch)));
        let kept: Vec<_> = avcc_nals(&written).filter(|nal| read_epoch(&avcc(&[nal.0.to_vec()])).is_none()).collect();
        let expected: Vec<_> = nals.iter().map(|nal| Nal(nal)).collect();
        prop_assert_eq!(kept, expected);
        prop_assert_eq!(contains_idr(&written), contains_idr(&plain));
        prop_assert!(is_whole(&written) && !is_whole(&written[..written.len() - 1]));
    }

    #[test]
    fn start_codes_and_lengths_say_the_same(nals in access_unit(), long in any::<bool>()) {
        let code: &[u8] = if long { &[0, 0, 0, 1] } else { &[0, 0, 1] };
        let stream: Vec<u8> = nals.iter().flat_map(|nal| [code, nal].concat()).collect();
        let read: Vec<_> = annex_b_nals(&stream).map(|nal| nal.0.to_vec()).collect();
        prop_assert_eq!(&read, &nals);
        let all = avcc(&nals);
        let again = avcc_to_annex_b(&all);
        prop_assert_eq!(annex_b_nals(&again).collect::<Vec<_>>(), avcc_nals(&all).collect::<Vec<_>>());
    }

    #[test]
    fn escaping_can_be_undone(payload in proptest::collection::vec(0u8..5, 0..200)) {
        prop_assert_eq!(nal::unescape(&nal::escape(&payload), usize::MAX), payload);
    }
}
