//! Everything that can end an RTMP session.

use super::amf0::Amf0Error;

/// A peer's "no", in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For instance `NetStream.Publish.BadName`.
    pub code: String,
    pub description: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.description.is_empty(), self.code.is_empty()) {
            (false, false) => write!(f, "{} ({})", self.description, self.code),
            (false, true) => f.write_str(&self.description),
            (true, _) => f.write_str(&self.code),
        }
    }
}

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RtmpError {
    #[error("handshake: the peer speaks version {0}, only plain RTMP (version 3) is supported")]
    Version(u8),
    #[error("chunk stream {chunk_stream}: a header of type {kind} came before any full header")]
    HeaderWithoutContext { chunk_stream: u32, kind: u8 },
    #[error("chunk stream {chunk_stream}: message of {length} bytes, the limit is {limit}")]
    MessageTooLong { chunk_stream: u32, length: usize, limit: usize },
    #[error("unfinished messages of {held} bytes together, the limit is {limit}")]
    TooMuchUnfinished { held: usize, limit: usize },
    #[error("more than {limit} chunk streams")]
    TooManyChunkStreams { limit: usize },
    #[error("Set Chunk Size: {0} is not within 1 and 2147483647")]
    ChunkSize(u32),
    #[error("{message}: {length} bytes, expected at least {expected}")]
    ShortMessage { message: &'static str, length: usize, expected: usize },
    #[error("command of {length} bytes, the limit is {limit}")]
    CommandTooLong { length: usize, limit: usize },
    #[error("command: {0}")]
    Command(#[from] Amf0Error),
    #[error("command '{command}': {problem}")]
    CommandShape { command: String, problem: &'static str },
    #[error("command '{0}' came out of turn")]
    OutOfTurn(String),
    #[error("more than {limit} message streams")]
    TooManyStreams { limit: u32 },
    #[error("the client wants to play; this server only takes publishers")]
    PlayRefused,
    #[error("{0}")]
    Unsupported(String),
    #[error("{track} tag: {problem}")]
    Tag { track: &'static str, problem: &'static str },
    #[error("the server refused: {0}")]
    Refused(Refusal),
    #[error("the server ended the stream: {0}")]
    EndedByServer(Refusal),
    #[error("packet cannot be sent: {0}")]
    Unsendable(&'static str),
}
