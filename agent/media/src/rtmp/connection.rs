//! What both sides do below the commands: chunks, windows, pings.

use bytes::{Bytes, BytesMut};

use super::chunk::{ChunkReader, ChunkWriter, Message, MessageHeader, message_type};
use super::{Limits, RtmpError};

/// Chunk stream of the protocol's own messages (RTMP 5.4).
const CONTROL_CHUNK_STREAM: u32 = 2;
/// Window for a peer that names none.
const DEFAULT_WINDOW_BYTES: u32 = 2_500_000;
/// A smaller window would make us answer every chunk.
const SMALLEST_WINDOW_BYTES: u32 = 1024;

/// User control events (RTMP 7.1.7).
mod user_control {
    pub(super) const STREAM_BEGIN: u16 = 0;
    pub(super) const PING_REQUEST: u16 = 6;
    pub(super) const PING_RESPONSE: u16 = 7;
}

/// One side of an RTMP connection after the handshake.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) output: BytesMut,
    reader: ChunkReader,
    writer: ChunkWriter,
    /// The peer wants an acknowledgement each time this many bytes came.
    window_bytes: u32,
    /// Our own window, told to the peer.
    own_window_bytes: u32,
    received_bytes: u64,
    acknowledged_at: u64,
    /// Our bytes that the peer says it has.
    peer_acknowledged_bytes: Option<u64>,
    last_acknowledgement: u32,
    longest_acknowledgement: u64,
}

impl Connection {
    pub(super) fn new(limits: Limits, own_window_bytes: u32) -> Self {
        Self {
            output: BytesMut::new(),
            reader: ChunkReader::new(limits),
            writer: ChunkWriter::default(),
            window_bytes: DEFAULT_WINDOW_BYTES,
            own_window_bytes,
            received_bytes: 0,
            acknowledged_at: 0,
            peer_acknowledged_bytes: None,
            last_acknowledgement: 0,
            longest_acknowledgement: 0,
        }
    }

    pub(super) fn peer_acknowledged_bytes(&self) -> Option<u64> {
        self.peer_acknowledged_bytes
    }

    pub(super) fn longest_acknowledgement(&self) -> u64 {
        self.longest_acknowledgement
    }

    pub(super) fn unfinished_bytes(&self) -> usize {
        self.reader.unfinished_bytes()
    }

    /// The next message that is not the protocol's own; those are carried out on the way.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, RtmpError> {
        loop {
            let before = input.len();
            let message = self.reader.next(input);
            self.received_bytes += (before - input.len()) as u64;
            let Some(message) = message? else {
                self.acknowledge();
                return Ok(None);
            };
            match message.type_id {
                message_type::SET_CHUNK_SIZE => {
                    self.reader.set_chunk_size(be32(&message.payload, "Set Chunk Size")?)?;
                }
                message_type::ABORT => self.reader.abort(be32(&message.payload, "Abort")?),
                message_type::ACKNOWLEDGEMENT => {
                    self.count_acknowledged(be32(&message.payload, "Acknowledgement")?);
                }
                message_type::WINDOW_ACK_SIZE => {
                    let window = be32(&message.payload, "Window Acknowledgement Size")?;
                    self.window_bytes = window.max(SMALLEST_WINDOW_BYTES);
                }
                message_type::SET_PEER_BANDWIDTH => {
                    // The answer is our window (RTMP 5.4.5); it stays as small as we chose it.
                    let window = be32(&message.payload, "Set Peer Bandwidth")?.min(self.own_window_bytes);
                    self.send_window_ack_size(window.max(SMALLEST_WINDOW_BYTES));
                }
                message_type::USER_CONTROL => self.user_control(&message.payload)?,
                _ => return Ok(Some(message)),
            }
        }
    }

    /// Acknowledges what came since the last time, once it fills the peer's window (RTMP 5.4.3).
    fn acknowledge(&mut self) {
        if self.received_bytes - self.acknowledged_at >= u64::from(self.window_bytes) {
            self.acknowledged_at = self.received_bytes;
            let sequence = self.received_bytes as u32;
            self.send_control(message_type::ACKNOWLEDGEMENT, &sequence.to_be_bytes());
        }
    }

    /// The sequence number has 32 bits; the difference to the last one has the rest.
    fn count_acknowledged(&mut self, sequence: u32) {
        let step = sequence.wrapping_sub(self.last_acknowledgement);
        if step < 1 << 31 {
            self.last_acknowledgement = sequence;
            self.longest_acknowledgement = self.longest_acknowledgement.max(u64::from(step));
            let total = self.peer_acknowledged_bytes.unwrap_or(0).saturating_add(u64::from(step));
            self.peer_acknowledged_bytes = Some(total);
        }
    }

    fn user_control(&mut self, payload: &Bytes) -> Result<(), RtmpError> {
        let Some((kind, data)) = payload.split_first_chunk::<2>() else {
            return Err(short("User Control", payload, 2));
        };
        if u16::from_be_bytes(*kind) == user_control::PING_REQUEST {
            let Some(time) = data.first_chunk::<4>() else {
                return Err(short("Ping Request", payload, 6));
            };
            let mut pong = [0; 6];
            pong[..2].copy_from_slice(&user_control::PING_RESPONSE.to_be_bytes());
            pong[2..].copy_from_slice(time);
            self.send_control(message_type::USER_CONTROL, &pong);
        }
        Ok(())
    }

    pub(super) fn send_stream_begin(&mut self, stream_id: u32) {
        let mut payload = [0; 6];
        payload[..2].copy_from_slice(&user_control::STREAM_BEGIN.to_be_bytes());
        payload[2..].copy_from_slice(&stream_id.to_be_bytes());
        self.send_control(message_type::USER_CONTROL, &payload);
    }

    pub(super) fn send_window_ack_size(&mut self, bytes: u32) {
        self.send_control(message_type::WINDOW_ACK_SIZE, &bytes.to_be_bytes());
    }

    /// Limits the peer dynamically (RTMP 5.4.5).
    pub(super) fn send_peer_bandwidth(&mut self, bytes: u32) {
        let mut payload = [2; 5];
        payload[..4].copy_from_slice(&bytes.to_be_bytes());
        self.send_control(message_type::SET_PEER_BANDWIDTH, &payload);
    }

    pub(super) fn send_chunk_size(&mut self, bytes: u32) {
        self.send_control(message_type::SET_CHUNK_SIZE, &bytes.to_be_bytes());
        self.writer.set_chunk_size(bytes as usize);
    }

    fn send_control(&mut self, type_id: u8, payload: &[u8]) {
        let header =
            MessageHeader { chunk_stream: CONTROL_CHUNK_STREAM, type_id, stream_id: 0, timestamp: 0 };
        self.send(header, &[payload]);
    }

    pub(super) fn send(&mut self, header: MessageHeader, parts: &[&[u8]]) {
        self.writer.write(header, parts, &mut self.output);
    }

    /// Sends a command or metadata that was encoded before.
    pub(super) fn send_amf(&mut self, chunk_stream: u32, type_id: u8, stream_id: u32, amf: &BytesMut) {
        self.send(MessageHeader { chunk_stream, type_id, stream_id, timestamp: 0 }, &[amf]);
    }
}

fn be32(payload: &Bytes, message: &'static str) -> Result<u32, RtmpError> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or_else(|| short(message, payload, 4))
}

fn short(message: &'static str, payload: &Bytes, expected: usize) -> RtmpError {
    RtmpError::ShortMessage { message, length: payload.len(), expected }
}
