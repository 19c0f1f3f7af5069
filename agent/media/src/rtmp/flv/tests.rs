use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Aggregate, NalLength, Tag, TagFrame, TagKind, Widened, read_audio, read_video, write_audio_header,
    write_video_header,
};
use crate::Codec;
use crate::rtmp::RtmpError;
use crate::rtmp::chunk::Message;

fn bytes(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

fn frame(codec: Codec, key: bool, composition_ms: i32, offset_ns: u32, data: &[u8]) -> Tag {
    let data = Bytes::copy_from_slice(data);
    Tag::Frame(TagFrame { codec, key, composition_ms, offset_ns, data })
}

proptest! {
    #[test]
    fn written_tags_are_read(
        key in any::<bool>(),
        composition_ms in prop_oneof![Just(0), -(1 << 23)..(1 << 23)],
        four_cc in prop_oneof![Just(None), Just(Some(*b"hvc1")), Just(Some(*b"vvc1")), Just(Some(*b"av01"))],
        data in prop::collection::vec(any::<u8>(), 1..50),
    ) {
        let codec = four_cc.map_or(Codec::H264, Codec::FourCc);
        // AV1 does not reorder: it has no composition time to carry.
        let composition_ms = if four_cc == Some(*b"av01") { 0 } else { composition_ms };
        let header = write_video_header(codec, TagKind::Frame { key, composition_ms });
        prop_assert_eq!(read_video(bytes(&[&header, &data])), Ok(frame(codec, key, composition_ms, 0, &data)));
        let header = write_video_header(codec, TagKind::Config);
        let config = Tag::Config { codec, data: data.clone().into() };
        prop_assert_eq!(read_video(bytes(&[&header, &data])), Ok(config));

        for codec in [Codec::Aac, Codec::FourCc(*b"Opus")] {
            let header = write_audio_header(codec, TagKind::Frame { key: true, composition_ms: 0 });
            prop_assert_eq!(read_audio(bytes(&[&header, &data])), Ok(frame(codec, true, 0, 0, &data)));
            let header = write_audio_header(codec, TagKind::Config);
            let config = Tag::Config { codec, data: data.clone().into() };
            prop_assert_eq!(read_audio(bytes(&[&header, &data])), Ok(config));
        }
    }

    #[test]
    fn any_bytes_end_in_a_tag_or_an_error(data in prop::collection::vec(any::<u8>(), 0..80)) {
        let data = Bytes::from(data);
        let _ = read_video(data.clone());
        let _ = read_audio(data.clone());
        let _ = NalLength::normalise(data.clone()).map(|(length, _)| length.widen(&data));
    }
}

#[test]
fn h264_and_aac_are_the_same_by_their_four_cc() {
    let tag = read_video(bytes(&[&[0x91], b"avc1", &[0xFF, 0xFF, 0xFE], b"data"]));
    assert_eq!(tag, Ok(frame(Codec::H264, true, -2, 0, b"data")));
    assert_eq!(read_video(bytes(&[&[0xA3], b"avc1", b"data"])), Ok(frame(Codec::H264, false, 0, 0, b"data")));
    assert_eq!(read_audio(bytes(&[&[0x91], b"mp4a", b"data"])), Ok(frame(Codec::Aac, true, 0, 0, b"data")));
}

#[test]
fn nanoseconds_and_the_first_of_many_tracks_are_read() {
    // ModEx with a TimestampOffsetNano of 500 000 ns, then coded frames.
    let tag = bytes(&[&[0xA7, 2, 0x07, 0xA1, 0x20, 0x01], b"av01", b"data"]);
    assert_eq!(read_video(tag), Ok(frame(Codec::FourCc(*b"av01"), false, 0, 500_000, b"data")));

    let many = bytes(&[&[0x96, 0x13], b"hvc1", &[1, 0, 0, 3], b"two", &[0, 0, 0, 3], b"one"]);
    assert_eq!(read_video(many), Ok(frame(Codec::FourCc(*b"hvc1"), true, 0, 0, b"one")));
    let each = bytes(&[&[0x95, 0x21], b"ac-3", &[2, 0, 0, 1], b"x", b"Opus", &[0, 0, 0, 3], b"one"]);
    assert_eq!(read_audio(each), Ok(frame(Codec::FourCc(*b"Opus"), true, 0, 0, b"one")));
    let others = bytes(&[&[0x96, 0x13], b"hvc1", &[1, 0, 0, 3], b"two"]);
    assert_eq!(read_video(others), Ok(Tag::Nothing));
}

#[test]
fn other_codecs_are_refused_by_name() {
    let unsupported = |text: &str| Err(RtmpError::Unsupported(text.to_owned()));
    assert_eq!(
        read_video(bytes(&[&[0x12, 0]])),
        unsupported("video codec Sorenson H.263 is not supported; set H.264")
    );
    assert_eq!(read_audio(bytes(&[&[0x2F, 0]])), unsupported("audio codec MP3 is not supported; set AAC"));
}

#[test]
fn what_carries_no_frame_is_nothing() {
    for video in
        [&[][..], &[0x57, 0], &[0x17, 2, 0, 0, 0], &[0x17, 1, 0, 0, 0], &[0x94, b'a', b'v', b'c', b'1']]
    {
        assert_eq!(read_video(bytes(&[video])), Ok(Tag::Nothing), "{video:?}");
    }
    for audio in [&[][..], &[0xAF, 1], &[0x92, b'O', b'p', b'u', b's']] {
        assert_eq!(read_audio(bytes(&[audio])), Ok(Tag::Nothing), "{audio:?}");
    }
}

#[test]
fn short_nal_unit_lengths_become_four_bytes() {
    let config = Bytes::from_static(&[1, 100, 0, 31, 0xFD, 0xE0, 0]);
    let (length, config) = NalLength::normalise(config).unwrap();
    assert_eq!(config[4], 0xFF);
    let data = Bytes::from_static(&[0, 2, 9, 8, 0, 1, 7]);
    let widened = Bytes::from_static(&[0, 0, 0, 2, 9, 8, 0, 0, 0, 1, 7]);
    assert_eq!(length.widen(&data), Widened::Whole(widened));
    assert_eq!(length.widen(&Bytes::from_static(&[0, 9, 1])), Widened::Nothing);
    let cut = Bytes::from_static(&[0, 2, 0x65, 8, 0, 0, 0, 3, 1]);
    assert_eq!(length.widen(&cut), Widened::Mended(Bytes::from_static(&[0, 0, 0, 2, 0x65, 8])));
}

#[test]
fn aggregates_fall_apart_into_messages() {
    let tag = |type_id: u8, time: u8, data: &[u8]| {
        let header = [type_id, 0, 0, data.len() as u8, 0, 0, time, 0, 0, 0, 0];
        [&header[..], data, &[0, 0, 0, 11 + data.len() as u8]].concat()
    };
    let payload = [tag(8, 50, b"a"), tag(9, 60, b"vv"), vec![9, 0, 0, 200]].concat().into();
    let parts = Aggregate::new(Message { type_id: 22, stream_id: 1, timestamp: 1000, payload });
    let parts: Vec<_> = parts.map(|m| (m.type_id, m.stream_id, m.timestamp, m.payload.to_vec())).collect();
    assert_eq!(parts, [(8, 1, 1000, b"a".to_vec()), (9, 1, 1010, b"vv".to_vec())]);
}
