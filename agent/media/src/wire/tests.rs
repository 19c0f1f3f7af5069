use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{Decoder, MAX_MESSAGE_BYTES, WireError, WireMessage, encode};
use crate::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::H264), Just(Codec::Aac), any::<[u8; 4]>().prop_map(Codec::FourCc)]
}

fn message() -> impl Strategy<Value = WireMessage> {
    let track = prop_oneof![Just(Track::Video), Just(Track::Audio)];
    let data = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let times = (any::<i64>(), any::<i64>(), any::<bool>());
    let packet = (any::<u8>(), track, codec(), any::<u64>(), data.clone(), proptest::option::of(times))
        .prop_map(|(stream, track, codec, epoch, data, times)| {
            let epoch = Epoch(epoch);
            let packet = match times {
                None => Packet::Config(TrackConfig { track, codec, epoch, data }),
                Some((pts_ns, dts_ns, key)) => {
                    Packet::Frame(Frame { track, codec, epoch, pts_ns, dts_ns, key, data })
                }
            };
            WireMessage::Packet { stream, packet }
        });
    prop_oneof![4 => packet, 1 => data.prop_map(WireMessage::Control)]
}

/// Pushes `bytes` in pieces of the given sizes, in turn.
fn decode_in_pieces(bytes: &[u8], sizes: &[usize]) -> Result<Vec<WireMessage>, WireError> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (piece, tail) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        decoder.push(piece);
        while let Some(message) = decoder.next()? {
            messages.push(message);
        }
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    Ok(messages)
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_split(
        messages in proptest::collection::vec(message(), 0..12),
        sizes in proptest::collection::vec(1usize..200, 1..8),
    ) {
        let mut bytes = BytesMut::new();
        for message in &messages {
            encode(message, &mut bytes).unwrap();
        }
        prop_assert_eq!(decode_in_pieces(&bytes, &sizes).unwrap(), messages);
    }
}

#[test]
fn a_message_over_the_limit_is_refused_on_both_sides() {
    let mut out = BytesMut::new();
    let long = WireMessage::Control(Bytes::from(vec![0; MAX_MESSAGE_BYTES]));
    assert!(matches!(encode(&long, &mut out), Err(WireError::TooLong { .. })));
    assert!(out.is_empty());

    let mut decoder = Decoder::new();
    decoder.push([0xff; 4]);
    assert!(matches!(decoder.next(), Err(WireError::TooLong { .. })));
    decoder.push(vec![0; 1000]);
    assert!(matches!(decoder.next(), Err(WireError::TooLong { .. })));
    assert!(decoder.buffer.is_empty(), "a broken stream is not kept");
}

#[test]
fn bytes_that_are_no_messages_are_named() {
    for (bytes, expected) in [
        (&[0u8, 0, 0, 0][..], WireError::Empty),
        (&[0, 0, 0, 1, 9], WireError::Unknown { field: "kind", value: 9 }),
        (&[0, 0, 0, 2, 1, 0], WireError::TooShort { kind: 1, bytes: 1 }),
    ] {
        let mut decoder = Decoder::new();
        decoder.push(bytes);
        assert_eq!(decoder.next(), Err(expected));
    }
}
