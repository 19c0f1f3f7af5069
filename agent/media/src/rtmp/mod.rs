//! RTMP without sockets: bytes in, packets out, and the other way round.
//!
//! [`ServerSession`] takes a publisher, [`ClientSession`] is one. Both are fed from a `BytesMut` that the
//! driver reads into, hand out events one by one, and collect what is to be sent in an output buffer.
//! What was written after Adobe's "Real Time Messaging Protocol" 1.0 is cited as "RTMP", the FourCC
//! extension ("Enhanced RTMP" v2) as "E-RTMP", the tags of "Video File Format" 10.1 as "FLV".

pub mod amf0;
pub mod chunk;
mod client;
mod command;
mod connection;
mod error;
mod flv;
mod handshake;
mod metadata;
mod server;
#[cfg(test)]
mod tests;
mod timeline;

pub use client::{ClientConfig, ClientEvent, ClientSession};
pub use error::{Refusal, RtmpError};
pub use handshake::HandshakeKind;
pub use metadata::{Metadata, StreamInfo};
pub use server::{Fault, LeftOut, PublishRequest, ServerConfig, ServerEvent, ServerSession};
pub use timeline::ms_from_ns;

/// What a peer may make us hold; beyond it the session ends with an error that names the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message, in bytes.
    pub max_message_bytes: usize,
    /// Sum of all unfinished messages, in bytes.
    pub max_unfinished_bytes: usize,
    /// Chunk streams in use at the same time of a connection.
    pub max_chunk_streams: usize,
    /// Longest command or metadata message, in bytes.
    pub max_command_bytes: usize,
    /// Levels of nesting in a command's objects.
    pub max_amf_depth: usize,
    /// Values in one command, those inside objects included.
    pub max_amf_values: usize,
    /// Message streams that a client may create.
    pub max_message_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 8 * 1024 * 1024,
            max_unfinished_bytes: 12 * 1024 * 1024,
            max_chunk_streams: 64,
            max_command_bytes: 64 * 1024,
            max_amf_depth: 16,
            max_amf_values: 2048,
            max_message_streams: 16,
        }
    }
}
