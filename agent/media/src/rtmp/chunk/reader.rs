//! From bytes to messages.

use bytes::{Buf, BytesMut};

use super::super::{Limits, RtmpError};
use super::{EXTENDED, INITIAL_CHUNK_SIZE, MAX_CHUNK_SIZE, Message};

/// A message up to this length that came in one chunk is cut out of the input instead of being copied.
const MAX_SLICED_BYTES: usize = 64 * 1024;

/// What first reserves room for a message in several chunks; more is taken only as bytes arrive, so a
/// header alone costs no memory.
const FIRST_RESERVE_BYTES: usize = 64 * 1024;

/// Puts chunks together to messages.
#[derive(Debug)]
pub struct ChunkReader {
    limits: Limits,
    chunk_size: usize,
    streams: Vec<ChunkStream>,
    position: Position,
    unfinished_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
enum Position {
    /// The next byte begins a chunk.
    Header,
    /// Within the payload of a chunk of `streams[index]`.
    Payload { index: usize, left: usize },
}

/// What one chunk stream remembers from header to header.
#[derive(Debug)]
struct ChunkStream {
    id: u32,
    timestamp: u32,
    /// The last header's timestamp or delta, which a type 3 header repeats.
    time_field: u32,
    extended: bool,
    length: usize,
    type_id: u8,
    stream_id: u32,
    /// The message begun; `missing` is 0 between messages.
    partial: BytesMut,
    missing: usize,
}

/// A chunk's header, read but not yet carried out.
#[derive(Debug)]
struct Header {
    kind: u8,
    chunk_stream: u32,
    time_field: u32,
    extended: bool,
    length: usize,
    type_id: u8,
    stream_id: u32,
    size: usize,
}

impl ChunkReader {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk_size: INITIAL_CHUNK_SIZE,
            streams: Vec::new(),
            position: Position::Header,
            unfinished_bytes: 0,
        }
    }

    /// Carries out Set Chunk Size (RTMP 5.4.1); sizes beyond the longest message mean that message.
    ///
    /// # Errors
    /// When the size is 0 or uses the reserved top bit.
    pub fn set_chunk_size(&mut self, size: u32) -> Result<(), RtmpError> {
        if size == 0 || size > i32::MAX as u32 {
            return Err(RtmpError::ChunkSize(size));
        }
        self.chunk_size = (size as usize).min(MAX_CHUNK_SIZE);
        Ok(())
    }

    /// Carries out Abort (RTMP 5.4.2): forgets the message begun on a chunk stream.
    pub fn abort(&mut self, chunk_stream: u32) {
        if let Some(index) = self.streams.iter().position(|stream| stream.id == chunk_stream) {
            self.drop_partial(index);
        }
    }

    /// Bytes held for messages that are not complete.
    #[must_use]
    pub fn unfinished_bytes(&self) -> usize {
        self.unfinished_bytes
    }

    /// Takes the next whole message out of `input`, or as much of it as is there.
    ///
    /// # Errors
    /// When a header makes no sense or a limit is passed; the connection cannot be read on then.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, RtmpError> {
        loop {
            match self.position {
                Position::Header => {
                    let Some(header) = self.read_header(input)? else { return Ok(None) };
                    let index = self.stream_index(header.chunk_stream)?;
                    if self.streams[index].missing == 0 || header.kind != 3 {
                        if self.sliceable(&header) && input.len() < header.size + header.length {
                            return Ok(None);
                        }
                        self.begin(index, &header)?;
                        input.advance(header.size);
                        if self.sliceable(&header) {
                            return Ok(Some(self.slice(index, input)));
                        }
                    } else {
                        input.advance(header.size);
                    }
                    let left = self.streams[index].missing.min(self.chunk_size);
                    self.position = Position::Payload { index, left };
                }
                Position::Payload { index, left } => {
                    let taken = left.min(input.len());
                    self.append(index, &input[..taken])?;
                    input.advance(taken);
                    if taken < left {
                        self.position = Position::Payload { index, left: left - taken };
                        return Ok(None);
                    }
                    self.position = Position::Header;
                    if let Some(message) = self.complete(index) {
                        return Ok(Some(message));
                    }
                }
            }
        }
    }

    fn sliceable(&self, header: &Header) -> bool {
        header.length <= self.chunk_size && header.length <= MAX_SLICED_BYTES
    }

    /// Reads the header at the start of `input`; `None` when it is not there in full.
    fn read_header(&self, input: &[u8]) -> Result<Option<Header>, RtmpError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let kind = first >> 6;
        // RTMP 5.3.1.1: ids 0 and 1 stand for one and two more bytes.
        let (chunk_stream, basic) = match (first & 0x3F, input) {
            (0, [_, low, ..]) => (u32::from(*low) + 64, 2),
            (1, [_, low, high, ..]) => (u32::from(*high) * 256 + u32::from(*low) + 64, 3),
            (0 | 1, _) => return Ok(None),
            (id, _) => (u32::from(id), 1),
        };
        let size = basic + [11, 7, 3, 0][usize::from(kind)];
        let Some(fields) = input.get(basic..size) else { return Ok(None) };
        let known = self.streams.iter().find(|stream| stream.id == chunk_stream);
        // Type 1 on a new chunk stream is what librtmp sends; its message stream is 0.
        let (length, type_id, stream_id) = match (fields, known) {
            ([_, _, _, l0, l1, l2, type_id, s0, s1, s2, s3], _) => {
                (be24(*l0, *l1, *l2), *type_id, u32::from_le_bytes([*s0, *s1, *s2, *s3]))
            }
            ([_, _, _, l0, l1, l2, type_id], known) => {
                (be24(*l0, *l1, *l2), *type_id, known.map_or(0, |stream| stream.stream_id))
            }
            (_, Some(stream)) => (stream.length as u32, stream.type_id, stream.stream_id),
            (_, None) => return Err(RtmpError::HeaderWithoutContext { chunk_stream, kind }),
        };
        let mut header = Header {
            kind,
            chunk_stream,
            time_field: 0,
            extended: false,
            length: length as usize,
            type_id,
            stream_id,
            size,
        };
        let complete = match (fields, known) {
            ([t0, t1, t2, ..], _) => header.read_time(be24(*t0, *t1, *t2), input),
            (_, Some(stream)) => header.repeat_time(stream, input),
            (_, None) => true,
        };
        Ok(complete.then_some(header))
    }

    fn stream_index(&mut self, id: u32) -> Result<usize, RtmpError> {
        if let Some(index) = self.streams.iter().position(|stream| stream.id == id) {
            return Ok(index);
        }
        if self.streams.len() >= self.limits.max_chunk_streams {
            return Err(RtmpError::TooManyChunkStreams { limit: self.limits.max_chunk_streams });
        }
        self.streams.push(ChunkStream {
            id,
            timestamp: 0,
            time_field: 0,
            extended: false,
            length: 0,
            type_id: 0,
            stream_id: 0,
            partial: BytesMut::new(),
            missing: 0,
        });
        Ok(self.streams.len() - 1)
    }

    /// Starts a message; one that was not complete is dropped, as the sender gave it up.
    fn begin(&mut self, index: usize, header: &Header) -> Result<(), RtmpError> {
        let limit = self.limits.max_message_bytes;
        if header.length > limit {
            let chunk_stream = header.chunk_stream;
            return Err(RtmpError::MessageTooLong { chunk_stream, length: header.length, limit });
        }
        self.drop_partial(index);
        let stream = &mut self.streams[index];
        stream.timestamp = match header.kind {
            0 => header.time_field,
            _ => stream.timestamp.wrapping_add(header.time_field),
        };
        stream.time_field = header.time_field;
        stream.extended = header.extended;
        stream.length = header.length;
        stream.type_id = header.type_id;
        stream.stream_id = header.stream_id;
        stream.missing = header.length;
        Ok(())
    }

    fn slice(&mut self, index: usize, input: &mut BytesMut) -> Message {
        let stream = &mut self.streams[index];
        stream.missing = 0;
        stream.message(input.split_to(stream.length))
    }

    fn append(&mut self, index: usize, data: &[u8]) -> Result<(), RtmpError> {
        self.unfinished_bytes += data.len();
        let limit = self.limits.max_unfinished_bytes;
        if self.unfinished_bytes > limit {
            return Err(RtmpError::TooMuchUnfinished { held: self.unfinished_bytes, limit });
        }
        let stream = &mut self.streams[index];
        if stream.partial.is_empty() {
            stream.partial.reserve(stream.length.min(FIRST_RESERVE_BYTES));
        }
        stream.partial.extend_from_slice(data);
        stream.missing -= data.len();
        Ok(())
    }

    fn complete(&mut self, index: usize) -> Option<Message> {
        let stream = &mut self.streams[index];
        if stream.missing > 0 {
            return None;
        }
        let payload = std::mem::take(&mut stream.partial);
        self.unfinished_bytes -= payload.len();
        Some(self.streams[index].message(payload))
    }

    fn drop_partial(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        self.unfinished_bytes -= stream.partial.len();
        stream.partial = BytesMut::new();
        stream.missing = 0;
    }
}

impl ChunkStream {
    fn message(&self, payload: BytesMut) -> Message {
        Message {
            type_id: self.type_id,
            stream_id: self.stream_id,
            timestamp: self.timestamp,
            payload: payload.freeze(),
        }
    }
}

impl Header {
    /// Takes the 24-bit field, or the 32 bits that follow it; false when they are not there.
    fn read_time(&mut self, field: u32, input: &[u8]) -> bool {
        self.time_field = field;
        self.extended = field == EXTENDED;
        if self.extended {
            let Some(extended) = be32_at(input, self.size) else { return false };
            self.time_field = extended;
            self.size += 4;
        }
        true
    }

    /// A type 3 header repeats the last field, extended or not (RTMP 5.3.1.3).
    ///
    /// Some senders leave the extended timestamp out where a message goes on: what is there instead is
    /// payload, told by its not being the same number.
    fn repeat_time(&mut self, stream: &ChunkStream, input: &[u8]) -> bool {
        self.time_field = stream.time_field;
        self.extended = stream.extended;
        if self.extended {
            let Some(extended) = be32_at(input, self.size) else { return false };
            if stream.missing == 0 {
                self.time_field = extended;
                self.size += 4;
            } else if extended == stream.time_field {
                self.size += 4;
            }
        }
        true
    }
}

fn be24(b0: u8, b1: u8, b2: u8) -> u32 {
    u32::from_be_bytes([0, b0, b1, b2])
}

fn be32_at(input: &[u8], at: usize) -> Option<u32> {
    input.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
