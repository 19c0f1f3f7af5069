//! What users may change of a box.

use super::document::Device;
use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stagebox_protocol::configured::MAX_CONFIG_BYTES;

/// What a box's configuration is to have that its own file has not; the box says what of it is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedConfig {
    /// Sections and keys as in the box's file.
    pub change: Map<String, Value>,
    /// Whether it is to hold at once, though that interrupts a stream or a recording for a moment.
    pub now: bool,
    /// How often it was wanted anew: a box tries what it refused once more.
    #[serde(default, skip_serializing_if = "is_first")]
    pub again: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(again: &u64) -> bool {
    *again == 0
}

impl WantedConfig {
    /// Takes it unless it is too large for a message to the box.
    pub(super) fn checked(change: Map<String, Value>) -> Result<Self, String> {
        let bytes = serde_json::to_vec(&change).map_or(usize::MAX, |text| text.len());
        if bytes > MAX_CONFIG_BYTES {
            return Err(format!("has {bytes} bytes as JSON; {MAX_CONFIG_BYTES} are allowed"));
        }
        Ok(Self { change, ..Self::default() })
    }
}

/// What is to be changed of a box; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceChange {
    /// What it is called.
    pub name: Option<String>,
    /// Whether it may connect.
    pub enabled: Option<bool>,
    /// How it is to be configured.
    pub config: Option<WantedConfig>,
    /// Whether what was wanted last is to hold at once, where nothing else is wanted.
    pub config_now: Option<bool>,
}

impl DeviceChange {
    /// Changes the box; whether it is another one then.
    pub(super) fn apply(&self, device: &mut Device, now: Timestamp) -> bool {
        let before = device.clone();
        if let Some(name) = &self.name {
            name.clone_into(&mut device.name);
        }
        device.enabled = self.enabled.unwrap_or(device.enabled);
        if let Some(config) = &self.config {
            let before = device.config.as_ref();
            let same = before.filter(|before| before.change == config.change && before.now == config.now);
            let again = same.map_or(0, |before| before.again + 1);
            device.config = Some(WantedConfig { again, ..config.clone() });
        } else if let (Some(wanted), Some(now)) = (&mut device.config, self.config_now) {
            wanted.now = now;
        }
        let changed = *device != before;
        if changed {
            device.updated_at = now;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_configuration_as_it_was_kept_before_reads_and_is_written_the_same() {
        let text = r#"{"change":{"video":{"fps":25}},"now":true}"#;
        let config: WantedConfig = serde_json::from_str(text).unwrap();
        assert!(config.now && config.again == 0);
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
    }

    #[test]
    fn a_configuration_fits_a_message() {
        let change = |length: usize| {
            json!({ "video": { "preset": "x".repeat(length) } }).as_object().cloned().unwrap()
        };
        assert!(WantedConfig::checked(change(MAX_CONFIG_BYTES - 30)).is_ok());
        let refused = WantedConfig::checked(change(MAX_CONFIG_BYTES)).unwrap_err();
        assert!(refused.contains("32768 are allowed"), "{refused}");
    }
}
