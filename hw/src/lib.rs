//! What boards have and which encoder suits them: data and pure rules.
//!
//! Nothing here looks at the machine. `stagebox-hw-probe` does, and hands what
//! it saw to [`board::detect`] and [`encoder::rank`].

pub mod board;
pub mod edid;
pub mod encoder;

pub use board::{Board, BoardError};
pub use edid::Edid;
pub use encoder::{Encoder, EncoderCandidate, rank};

/// A picture size and rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoMode {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
}

impl VideoMode {
    /// Blocks of 16×16 pixels a second, the measure of H.264's own levels (ITU-T H.264, table A-1).
    #[must_use]
    pub fn macroblocks_per_s(self) -> u64 {
        u64::from(self.width.div_ceil(16)) * u64::from(self.height.div_ceil(16)) * u64::from(self.fps)
    }
}

impl std::fmt::Display for VideoMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.fps)
    }
}
