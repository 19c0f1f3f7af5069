//! What sources are told that the box takes.

use serde::{Deserialize, Serialize};
use stagebox_hw::Edid;

/// The EDID that is loaded into a capture device at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EdidSetting {
    /// The board's own.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "1080p60")]
    P1080At60,
    #[serde(rename = "1080p30")]
    P1080At30,
    #[serde(rename = "720p60")]
    P720At60,
    /// What the device has stays.
    #[serde(rename = "none")]
    None,
}

impl EdidSetting {
    /// The one to load, where the board's own is `own`.
    #[must_use]
    pub fn edid(self, own: Option<Edid>) -> Option<Edid> {
        match self {
            Self::Auto => own,
            Self::P1080At60 => Some(Edid::P1080At60),
            Self::P1080At30 => Some(Edid::P1080At30),
            Self::P720At60 => Some(Edid::P720At60),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edid_that_ships_can_be_configured() {
        for edid in Edid::ALL {
            let setting: EdidSetting = serde_json::from_str(&format!("\"{edid}\"")).unwrap();
            assert_eq!(setting.edid(None), Some(edid));
        }
        assert_eq!(EdidSetting::default().edid(Some(Edid::P720At60)), Some(Edid::P720At60));
        assert_eq!(EdidSetting::None.edid(Some(Edid::P720At60)), None);
    }
}
