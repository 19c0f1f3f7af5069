//! Chunk streams: messages cut into interleaved chunks (RTMP 5.3).

use bytes::Bytes;

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::ChunkReader;
pub use writer::{ChunkWriter, MessageHeader};

/// Chunk size of a connection until a side sets its own (RTMP 5.4.1).
pub const INITIAL_CHUNK_SIZE: usize = 128;

/// Largest chunk that makes sense: a message has 24 bits for its length.
pub const MAX_CHUNK_SIZE: usize = 0xFF_FFFF;

/// In the 24-bit timestamp field: the timestamp follows the header in 32 bits (RTMP 5.3.1.3).
const EXTENDED: u32 = 0xFF_FFFF;

/// Message type ids (RTMP 5.4, 6.2 and 7.1).
pub mod message_type {
    pub const SET_CHUNK_SIZE: u8 = 1;
    pub const ABORT: u8 = 2;
    pub const ACKNOWLEDGEMENT: u8 = 3;
    pub const USER_CONTROL: u8 = 4;
    pub const WINDOW_ACK_SIZE: u8 = 5;
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    pub const AUDIO: u8 = 8;
    pub const VIDEO: u8 = 9;
    pub const DATA_AMF3: u8 = 15;
    pub const COMMAND_AMF3: u8 = 17;
    pub const DATA_AMF0: u8 = 18;
    pub const COMMAND_AMF0: u8 = 20;
    pub const AGGREGATE: u8 = 22;
}

/// One whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub type_id: u8,
    pub stream_id: u32,
    /// Milliseconds, modulo 2^32.
    pub timestamp: u32,
    pub payload: Bytes,
}
