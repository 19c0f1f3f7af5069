//! What a stream has that nobody can use: it is left out, and the stream goes on.

use crate::Track;

/// Something that was left out of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    pub track: Track,
    pub fault: Fault,
}

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A frame of a track whose header has not come: no decoder could be told what it is.
    NoHeader,
    /// A header that cannot be read; the one before it stays in force.
    BrokenHeader,
    /// A message that ends early or is of another codec, or a picture whose NAL units do not fill it: what is left
    /// of that goes on.
    BrokenFrame,
}
