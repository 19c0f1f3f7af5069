//! The names of an event's renditions: what stands in an address between event and file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One track of an event as viewers can fetch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rendition {
    /// The video as it was sent.
    Source,
    /// The video, made smaller, by its height in lines.
    Scaled(u16),
    /// The sound as it was sent.
    Audio,
}

impl Rendition {
    pub(crate) fn is_video(self) -> bool {
        self != Self::Audio
    }
}

impl fmt::Display for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Scaled(height) => write!(f, "{height}p"),
            Self::Audio => f.write_str("audio"),
        }
    }
}

/// Says that a text names no rendition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown rendition: expected `source`, `audio` or a height such as `360p`")]
pub(crate) struct RenditionError;

impl FromStr for Rendition {
    type Err = RenditionError;

    fn from_str(text: &str) -> Result<Self, RenditionError> {
        match text {
            "source" => Ok(Self::Source),
            "audio" => Ok(Self::Audio),
            _ => {
                let height = text.strip_suffix('p').filter(|digits| !digits.starts_with(['0', '+']));
                height.and_then(|digits| digits.parse().ok()).map(Self::Scaled).ok_or(RenditionError)
            }
        }
    }
}

impl Serialize for Rendition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rendition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for rendition in [Rendition::Source, Rendition::Audio, Rendition::Scaled(360)] {
            assert_eq!(rendition.to_string().parse(), Ok(rendition));
        }
        for wrong in ["", "p", "0360p", "-1p", "+360p", "99999p", "Source", "360"] {
            assert_eq!(wrong.parse::<Rendition>(), Err(RenditionError), "{wrong}");
        }
    }
}
