use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::{ChunkReader, ChunkWriter, Message, MessageHeader};
use crate::rtmp::{Limits, RtmpError};

fn read_all(reader: &mut ChunkReader, bytes: &[u8], step: usize) -> Result<Vec<Message>, RtmpError> {
    let (mut input, mut messages) = (BytesMut::new(), Vec::new());
    for part in bytes.chunks(step) {
        input.extend_from_slice(part);
        while let Some(message) = reader.next(&mut input)? {
            messages.push(message);
        }
    }
    assert!(input.is_empty(), "{} bytes left", input.len());
    Ok(messages)
}

fn messages() -> impl Strategy<Value = Vec<(u32, Message)>> {
    let time = prop_oneof![
        0..100_u32,
        0xFF_FFFE..0x100_0004_u32,
        0x7FFF_FFF0..0x8000_0010_u32,
        0xFFFF_FFF0..=u32::MAX,
        any::<u32>(),
    ];
    let chunk_stream = prop_oneof![2..64_u32, 64..320_u32, 320..65_600_u32];
    let length = prop_oneof![0..5_usize, 120..140_usize, 0..3000_usize];
    let message = (chunk_stream, 8..10_u8, 0..3_u32, time, length, any::<u8>()).prop_map(
        |(chunk_stream, type_id, stream_id, timestamp, length, fill)| {
            let payload: Bytes = (0..length).map(|at| fill.wrapping_add(at as u8)).collect();
            (chunk_stream, Message { type_id, stream_id, timestamp, payload })
        },
    );
    prop::collection::vec(message, 1..20).prop_map(|mut list| {
        // Few chunk streams, so that headers of the shorter types come up.
        let some: Vec<u32> = list.iter().take(3).map(|(id, _)| *id).collect();
        for (at, (id, _)) in list.iter_mut().enumerate() {
            *id = some[at % some.len()];
        }
        list
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        list in messages(),
        chunk in prop_oneof![1..200_u32, Just(65_536_u32)],
        step in 1..5000_usize,
    ) {
        let (mut writer, mut out) = (ChunkWriter::default(), BytesMut::new());
        writer.set_chunk_size(chunk as usize);
        for (chunk_stream, message) in &list {
            let Message { type_id, stream_id, timestamp, .. } = *message;
            let header = MessageHeader { chunk_stream: *chunk_stream, type_id, stream_id, timestamp };
            let (first, second) = message.payload.split_at(message.payload.len() / 3);
            writer.write(header, &[first, second], &mut out);
        }
        let mut reader = ChunkReader::new(Limits::default());
        reader.set_chunk_size(chunk).unwrap();
        let read = read_all(&mut reader, &out, step).unwrap();
        prop_assert_eq!(read, list.into_iter().map(|(_, message)| message).collect::<Vec<_>>());
        prop_assert_eq!(reader.unfinished_bytes(), 0);
    }
}

#[test]
fn a_steady_stream_needs_one_byte_of_header() {
    let (mut writer, mut out) = (ChunkWriter::default(), BytesMut::new());
    let mut sizes = Vec::new();
    for frame in 0..4 {
        let header = MessageHeader { chunk_stream: 4, type_id: 8, stream_id: 1, timestamp: frame * 21 };
        writer.write(header, &[&[0; 100]], &mut out);
        sizes.push(out.split().len() - 100);
    }
    assert_eq!(sizes, [12, 4, 1, 1]);
}

/// Cuts a message in chunks of 128 bytes, the way a sender without extended timestamps on type 3 does.
fn without_repeated_time(timestamp: u32, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_slice(&[6, 0xFF, 0xFF, 0xFF]);
    out.put_uint(payload.len() as u64, 3);
    out.put_u8(9);
    out.put_u32_le(1);
    out.put_u32(timestamp);
    for (at, chunk) in payload.chunks(128).enumerate() {
        if at > 0 {
            out.put_u8(0xC6);
        }
        out.put_slice(chunk);
    }
    out
}

#[test]
fn extended_timestamps_may_be_missing_where_a_message_goes_on() {
    let payload: Vec<u8> = (0..600).map(|at| at as u8).collect();
    let bytes = without_repeated_time(0x0100_0000, &payload);
    for step in [1, 7, 1000] {
        let read = read_all(&mut ChunkReader::new(Limits::default()), &bytes, step).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].timestamp, &read[0].payload[..]), (0x0100_0000, &payload[..]));
    }
}

#[test]
fn a_type_1_header_may_open_a_chunk_stream_and_others_may_not() {
    let opening = [0x44, 0, 0, 5, 0, 0, 1, 8, 0xAA];
    let read = read_all(&mut ChunkReader::new(Limits::default()), &opening, 1).unwrap();
    assert_eq!((read[0].timestamp, read[0].stream_id, &read[0].payload[..]), (5, 0, &[0xAA][..]));
    for first in [0x84, 0xC4] {
        let result = read_all(&mut ChunkReader::new(Limits::default()), &[first, 0, 0, 0, 0], 9);
        let kind = first >> 6;
        assert_eq!(result, Err(RtmpError::HeaderWithoutContext { chunk_stream: 4, kind }));
    }
}

#[test]
fn interleaved_messages_and_abort() {
    let (mut writer, mut video, mut audio) = (ChunkWriter::default(), BytesMut::new(), BytesMut::new());
    let header = |chunk_stream, type_id| MessageHeader { chunk_stream, type_id, stream_id: 1, timestamp: 0 };
    writer.write(header(6, 9), &[&[1; 200]], &mut video);
    writer.write(header(4, 8), &[&[2; 10]], &mut audio);
    let rest = video.split_off(12 + 128);
    let mut reader = ChunkReader::new(Limits::default());
    let mut input = BytesMut::new();
    for part in [&video, &audio] {
        input.extend_from_slice(part);
    }
    assert_eq!(reader.next(&mut input).unwrap().map(|message| message.type_id), Some(8));
    assert_eq!(reader.unfinished_bytes(), 128);
    let mut whole = reader;
    input.extend_from_slice(&rest);
    assert_eq!(whole.next(&mut input).unwrap().map(|message| message.payload.len()), Some(200));

    let mut reader = ChunkReader::new(Limits::default());
    assert_eq!(reader.next(&mut video).unwrap(), None);
    reader.abort(6);
    assert_eq!(reader.unfinished_bytes(), 0);
}

#[test]
fn limits_hold() {
    let limits = Limits {
        max_message_bytes: 1000,
        max_unfinished_bytes: 1500,
        max_chunk_streams: 3,
        ..Limits::default()
    };
    let header = |id: u8, length: u16| {
        let mut out = vec![id, 0, 0, 0, 0];
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&[9, 1, 0, 0, 0]);
        out
    };
    let feed = |parts: &[Vec<u8>]| {
        let mut input = BytesMut::from(&parts.concat()[..]);
        let mut reader = ChunkReader::new(limits);
        reader.set_chunk_size(999).unwrap();
        reader.next(&mut input).map(|message| message.is_some())
    };
    assert_eq!(
        feed(&[header(4, 1001)]),
        Err(RtmpError::MessageTooLong { chunk_stream: 4, length: 1001, limit: 1000 })
    );
    let begun = |id| [header(id, 1000), vec![0; 999]].concat();
    assert_eq!(feed(&[begun(4), begun(5)]), Err(RtmpError::TooMuchUnfinished { held: 1998, limit: 1500 }));
    let many: Vec<_> = (4..8).map(|id| header(id, 0)).collect();
    let mut reader = ChunkReader::new(limits);
    assert_eq!(read_all(&mut reader, &many.concat(), 100), Err(RtmpError::TooManyChunkStreams { limit: 3 }));
    assert_eq!(reader.set_chunk_size(0), Err(RtmpError::ChunkSize(0)));
    assert_eq!(reader.set_chunk_size(1 << 31), Err(RtmpError::ChunkSize(1 << 31)));
    assert_eq!(reader.set_chunk_size(i32::MAX as u32), Ok(()));
}
