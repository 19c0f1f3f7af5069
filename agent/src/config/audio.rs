//! Where sound comes from, and what is done to it.

use serde::{Deserialize, Serialize};

use super::tree::SourceConfig;
use super::{ConfigError, tree::within};

/// The longest that sound can be held back for the picture.
const MOST_DELAY_MS: i32 = 2_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudioConfig {
    pub bitrate_kbps: u32,
    /// The ALSA input that sound is taken from, such as `hw:1,0`; without it, the sound that the source itself brings.
    pub device: Option<String>,
    /// Which of its channels; without it the first two, and all channels of a file mixed.
    pub channels: Option<ChannelPair>,
    /// By how much sound comes later than it would.
    pub delay_ms: i32,
    pub gain_db: f32,
    pub mute: bool,
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self { bitrate_kbps: 128, device: None, channels: None, delay_ms: 0, gain_db: 0.0, mute: false }
    }
}

/// Two neighbouring channels, counted from one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelPair {
    #[default]
    #[serde(rename = "1/2")]
    OneTwo,
    #[serde(rename = "3/4")]
    ThreeFour,
    #[serde(rename = "5/6")]
    FiveSix,
    #[serde(rename = "7/8")]
    SevenEight,
}

impl ChannelPair {
    /// The first of the two, counted from zero.
    #[must_use]
    pub fn first(self) -> usize {
        2 * self as usize
    }
}

impl std::fmt::Display for ChannelPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first() + 1, self.first() + 2)
    }
}

impl AudioConfig {
    pub(super) fn validate(&self, source: &SourceConfig, has_clock: bool) -> Result<(), ConfigError> {
        let invalid =
            |field: &str, problem: String, fix: &str| Err(ConfigError::invalid(field, problem, fix));
        within("audio.bitrate_kbps", self.bitrate_kbps, 32, 512)?;
        match &self.device {
            Some(device) if !is_alsa_name(device) => {
                let fix = "give one like `hw:1,0`; `arecord -l` lists cards and devices";
                return invalid("audio.device", format!("`{device}` is no name of an ALSA input"), fix);
            }
            Some(_) if has_clock => {
                let problem = "has a clock of its own, and `source.script` sets one for the source's sound";
                return invalid("audio.device", problem.to_owned(), "leave one of the two out");
            }
            None if matches!(source, SourceConfig::Pattern { .. }) && self.pair().first() > 0 => {
                let problem = format!("the test pattern has no channels {}", self.pair());
                return invalid(
                    "audio.channels",
                    problem,
                    "give \"1/2\", or an `audio.device` that has them",
                );
            }
            None if matches!(source, SourceConfig::V4l2 { .. }) && self.channels.is_some() => {
                let problem = "a capture device brings pictures only".to_owned();
                let fix = "give its sound card as `audio.device` too; `arecord -l` lists them";
                return invalid("audio.channels", problem, fix);
            }
            _ => {}
        }
        if self.delay_ms < 0 {
            let problem = format!("{} would have sound come before it is there", self.delay_ms);
            let fix = "delay the picture in the camera or the mixer, and give 0 to 2000 here";
            return invalid("audio.delay_ms", problem, fix);
        }
        if self.delay_ms > MOST_DELAY_MS {
            let problem = format!("{} is out of range", self.delay_ms);
            return invalid("audio.delay_ms", problem, "give 0 to 2000");
        }
        if !(-60.0..=24.0).contains(&self.gain_db) {
            let problem = format!("{} is out of range", self.gain_db);
            return invalid("audio.gain_db", problem, "give -60 to 24, or `mute = true` for nothing at all");
        }
        Ok(())
    }

    fn pair(&self) -> ChannelPair {
        self.channels.unwrap_or_default()
    }
}

/// What alsa-lib takes for a name, and no path.
fn is_alsa_name(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.:,='{}\"".contains(letter);
    (1..=100).contains(&text.len()) && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EdidSetting;

    #[test]
    fn what_makes_no_sense_is_named_with_what_would() {
        let pattern = SourceConfig::Pattern { script: Vec::new() };
        let device = |name: &str| AudioConfig { device: Some(name.to_owned()), ..AudioConfig::default() };
        let pair = |pair| AudioConfig { channels: Some(pair), ..AudioConfig::default() };
        let gain = |gain_db| AudioConfig { gain_db, ..AudioConfig::default() };
        let delay = |delay_ms| AudioConfig { delay_ms, ..AudioConfig::default() };
        for (audio, has_clock, words) in [
            (device("/dev/snd/pcmC0D0c"), false, "audio.device: `/dev/snd/pcmC0D0c` is no name"),
            (device(""), false, "audio.device: `` is no name"),
            (device("hw:1,0"), true, "audio.device: has a clock of its own"),
            (pair(ChannelPair::ThreeFour), false, "audio.channels: the test pattern has no channels 3/4"),
            (
                delay(-40),
                false,
                "audio.delay_ms: -40 would have sound come before it is there; delay the picture",
            ),
            (delay(2_001), false, "audio.delay_ms: 2001 is out of range; give 0 to 2000"),
            (gain(24.5), false, "audio.gain_db: 24.5 is out of range; give -60 to 24"),
            (gain(f32::NAN), false, "audio.gain_db: NaN"),
        ] {
            let message = audio.validate(&pattern, has_clock).unwrap_err().to_string();
            assert!(message.starts_with(words), "{message}");
        }
        let capture = SourceConfig::V4l2 { device: "/dev/video0".into(), edid: EdidSetting::Auto };
        let message = pair(ChannelPair::OneTwo).validate(&capture, false).unwrap_err().to_string();
        assert!(message.starts_with("audio.channels: a capture device brings pictures only"), "{message}");
        let whole = AudioConfig { gain_db: -6.5, delay_ms: 2_000, ..device("plughw:CARD=Device,DEV=0") };
        let whole = AudioConfig { channels: Some(ChannelPair::SevenEight), ..whole };
        assert!(whole.validate(&pattern, false).is_ok() && whole.validate(&capture, false).is_ok());
        assert!(AudioConfig::default().validate(&pattern, true).is_ok());
        assert_eq!(ChannelPair::SevenEight.to_string(), "7/8");
    }
}
