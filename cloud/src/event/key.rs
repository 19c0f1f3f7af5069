//! Stream keys: secrets that an encoder shows to publish.

use crate::id::random_bytes;
use std::fmt;

/// Longest key that is looked up at all.
const MAX: usize = 128;

/// A stream key; it never shows itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(String);

impl StreamKey {
    /// Draws a new key of 160 random bits.
    pub fn random() -> Self {
        Self(hex::encode(random_bytes::<20>()))
    }

    /// Takes a key that was kept.
    pub fn from_stored(key: String) -> Self {
        Self(key)
    }

    /// The key in the clear: for the administrator, the box and the encoder only.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What tells it from others, without being of use.
    pub fn masked(&self) -> String {
        masked(self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default())
    }

    /// Whether a text could be a key, before it is hashed and looked up.
    pub fn is_plausible(text: &str) -> bool {
        !text.is_empty() && text.len() <= MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// A key of which only its end is shown.
pub(crate) fn masked(end: &str) -> String {
    format!("••••••••{end}")
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(…)")
    }
}
