//! From messages to bytes.

use bytes::{BufMut, BytesMut};

use super::{EXTENDED, INITIAL_CHUNK_SIZE, MAX_CHUNK_SIZE};

/// What a message's first chunk says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHeader {
    /// 2 to 65599 (RTMP 5.3.1.1).
    pub chunk_stream: u32,
    pub type_id: u8,
    pub stream_id: u32,
    /// Milliseconds, modulo 2^32.
    pub timestamp: u32,
}

/// Cuts messages into chunks, each with the shortest header that says all.
#[derive(Debug)]
pub struct ChunkWriter {
    chunk_size: usize,
    streams: Vec<Sent>,
}

/// The last message of a chunk stream.
#[derive(Debug, Clone, Copy)]
struct Sent {
    header: MessageHeader,
    length: usize,
    /// `None` after a full header: what a type 3 header means then is read in two ways.
    delta: Option<u32>,
}

impl Default for ChunkWriter {
    fn default() -> Self {
        Self { chunk_size: INITIAL_CHUNK_SIZE, streams: Vec::new() }
    }
}

impl ChunkWriter {
    /// Sets the size of the chunks to come; the peer must be told before.
    pub fn set_chunk_size(&mut self, size: usize) {
        self.chunk_size = size.clamp(1, MAX_CHUNK_SIZE);
    }

    /// Appends a message whose payload is given in parts.
    pub fn write(&mut self, header: MessageHeader, parts: &[&[u8]], out: &mut BytesMut) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let chunks = length.div_ceil(self.chunk_size);
        out.reserve(length + 18 + chunks * 8);
        let extended = self.write_first_header(header, length, out);
        let mut room = self.chunk_size;
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                if room == 0 {
                    put_basic(3, header.chunk_stream, out);
                    if let Some(time) = extended {
                        out.put_u32(time);
                    }
                    room = self.chunk_size;
                }
                let (now, later) = rest.split_at(rest.len().min(room));
                out.put_slice(now);
                room -= now.len();
                rest = later;
            }
        }
    }

    /// Writes the header and returns the extended timestamp that the following chunks repeat.
    fn write_first_header(
        &mut self,
        header: MessageHeader,
        length: usize,
        out: &mut BytesMut,
    ) -> Option<u32> {
        let position = self.streams.iter().position(|sent| sent.header.chunk_stream == header.chunk_stream);
        let last = position.map(|index| self.streams[index]);
        let forward = last.and_then(|last| {
            let delta = header.timestamp.wrapping_sub(last.header.timestamp);
            // A step back has no delta; across 2^32 ms it is forward (RTMP 5.3.1.2.1).
            (last.header.stream_id == header.stream_id && delta < 1 << 31).then_some((last, delta))
        });
        let (kind, time) = match forward {
            None => (0, header.timestamp),
            Some((last, delta)) if last.length != length || last.header.type_id != header.type_id => {
                (1, delta)
            }
            Some((last, delta)) if last.delta != Some(delta) => (2, delta),
            Some((_, delta)) => (3, delta),
        };
        put_basic(kind, header.chunk_stream, out);
        let extended = (time >= EXTENDED).then_some(time);
        if kind < 3 {
            out.put_uint(u64::from(time.min(EXTENDED)), 3);
        }
        if kind < 2 {
            out.put_uint(length as u64, 3);
            out.put_u8(header.type_id);
        }
        if kind == 0 {
            out.put_u32_le(header.stream_id);
        }
        if let Some(time) = extended {
            out.put_u32(time);
        }
        let sent = Sent { header, length, delta: (kind != 0).then_some(time) };
        match position {
            Some(index) => self.streams[index] = sent,
            None => self.streams.push(sent),
        }
        extended
    }
}

fn put_basic(kind: u8, chunk_stream: u32, out: &mut BytesMut) {
    let kind = kind << 6;
    match chunk_stream {
        0..=63 => out.put_u8(kind | chunk_stream as u8),
        64..=319 => out.put_slice(&[kind, (chunk_stream - 64) as u8]),
        _ => {
            out.put_u8(kind | 1);
            out.put_u16_le((chunk_stream - 64) as u16);
        }
    }
}
