//! The tree itself: sections, defaults and what values make sense.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stagebox_protocol::telemetry::OutputRole;

use super::{AudioConfig, ConfigError, EdidSetting};
use crate::capture::Script;
use crate::push::Range;
use crate::record::{Room, WhenFull};
use crate::trust::Fingerprint;

/// Everything a box is told at its start.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the agent keeps its state.
    pub data_dir: PathBuf,
    pub source: SourceConfig,
    pub video: VideoConfig,
    pub audio: AudioConfig,
    pub alarms: AlarmConfig,
    pub record: RecordConfig,
    /// Fixed stream targets; without a main or backup among them, the cloud names those two.
    pub outputs: Vec<OutputConfig>,
    pub backup: BackupConfig,
    pub cloud: Option<CloudConfig>,
    pub panel: PanelConfig,
    pub healing: HealingConfig,
}

/// Where picture and sound come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SourceConfig {
    /// A video file, played in a loop as if it were plugged in.
    File {
        path: PathBuf,
        /// What befalls it, and when: `no signal at 10 s for 5 s`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        script: Vec<String>,
    },
    /// A test picture with timecode, tone, and a click and flash each second.
    Pattern {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        script: Vec<String>,
    },
    /// A V4L2 capture device.
    V4l2 {
        device: PathBuf,
        /// What sources are told that the box takes.
        #[serde(default)]
        edid: EdidSetting,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VideoConfig {
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    pub bitrate_kbps: u32,
    /// The speed preset of an encoder in software, by x264's names; the board's own without it.
    pub preset: Option<String>,
    /// Seconds from one keyframe to the next.
    pub keyframe_s: u32,
    /// Consecutive B-frames.
    pub bframes: u32,
    /// Gives up quality for a delay of less than a frame.
    pub zero_latency: bool,
    /// `auto`, or the GStreamer element to encode with.
    pub encoder: String,
    /// What suffers where main's line carries less than is made.
    pub protect: Protect,
    /// The least that the picture is lowered to for the `stream`, in kbit/s; a third of `bitrate_kbps` without it.
    pub floor_kbps: Option<u32>,
}

/// What is protected where one encode serves stream and recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protect {
    /// The recording keeps its quality; an output whose line is too slow leaves groups of pictures out.
    #[default]
    Recording,
    /// The bitrate of both follows main's line, and no picture is left out.
    Stream,
}

/// When somebody is told that nothing is to be seen or heard: seconds, or 0 for never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmConfig {
    pub silence_s: u32,
    /// What is below this is silence, in dB below full scale.
    pub silence_dbfs: i32,
    pub black_s: u32,
    /// Slides stand still: off where not given.
    pub frozen_s: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    /// Where recordings go; `recordings` in the data directory if not given.
    pub dir: Option<PathBuf>,
    /// What the picture of a recording takes in kbit/s, by an encode of its own where the machine can encode twice at
    /// once; without it, the recording is what is pushed.
    pub bitrate_kbps: Option<u32>,
    /// Seconds after which a recording goes on in a new file.
    pub segment_s: u32,
    /// MiB after which it does; without it, what FAT32 can hold.
    pub segment_mib: Option<u32>,
    /// GiB that all recordings may take together; without it, all that the disk has but for a reserve of two minutes.
    pub quota_gib: Option<u32>,
    /// Days after its end when a recording is deleted; without it, they are kept.
    pub keep_days: Option<u32>,
    /// What is done when there is no room: `stop` until there is, or `delete_oldest`.
    pub when_full: WhenFull,
    /// Records onto a USB disk while one is mounted below /media or /run/media, and onto `dir` otherwise.
    pub prefer_usb: bool,
    /// Puts recordings on the list of uploads once they are closed.
    pub upload: bool,
    /// Seconds that a picture may wait for the disk before the disk is called slow.
    pub slow_s: u32,
}

/// When the backup output pushes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupConfig {
    /// `hot`: always, beside main; `cold`: only while main does not.
    pub push: BackupPush,
    /// Seconds for which main has to send again before a cold backup stands by again.
    pub main_back_s: u32,
}

/// Whether the backup output pushes beside main.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupPush {
    /// Nothing is lost when main fails, at twice the upload.
    #[default]
    Hot,
    /// Half the upload, and some seconds are lost when main fails.
    Cold,
}

/// A fixed stream target.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    pub role: OutputRole,
    /// `rtmp://host[:port]/app`
    pub url: String,
    pub key: Secret,
}

/// The cloud this box belongs to, and its identity there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudConfig {
    /// Base of the cloud's HTTP address, without `/api/v1`.
    pub url: String,
    pub id: String,
    pub secret: Secret,
    /// `mqtt://host:port` or `mqtts://host:port`
    pub mqtt_url: String,
    /// Certificates of the authority that signed the cloud's (PEM), where the system does not know it.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The print of the cloud's own certificate, as the cloud told it when it made the box.
    #[serde(default)]
    pub tls_fingerprint: Option<Fingerprint>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanelConfig {
    /// The front panel's socket; `panel.sock` in the data directory if not given.
    pub socket: Option<PathBuf>,
}

/// What the box does by itself about a trouble that stays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealingConfig {
    /// Seconds for which a trouble lasts before the box does the first thing about it; 0 for nothing ever.
    pub after_s: u32,
    /// A file that the agent makes when nothing else has helped and whose appearance has the machine start anew; the
    /// machine never does without it.
    pub reboot_file: Option<PathBuf>,
}

/// Text that never shows in logs or messages.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

impl Config {
    /// Whether main and backup are fixed here, rather than named by the cloud.
    #[must_use]
    pub fn fixes_broadcast(&self) -> bool {
        self.outputs.iter().any(|output| output.role.is_of_broadcast())
    }

    /// Where recordings go.
    #[must_use]
    pub fn record_dir(&self) -> PathBuf {
        self.record.dir.clone().unwrap_or_else(|| self.data_dir.join("recordings"))
    }

    /// Bytes after which a recording goes on in a new file.
    #[must_use]
    pub fn segment_bytes(&self) -> Option<u64> {
        self.record.segment_mib.map(|mib| u64::from(mib) << 20)
    }

    /// How much room recordings may take.
    #[must_use]
    pub fn record_room(&self) -> Room {
        let RecordConfig { quota_gib, when_full, keep_days, .. } = self.record;
        let kbps =
            self.record.bitrate_kbps.unwrap_or(0).max(self.video.bitrate_kbps) + self.audio.bitrate_kbps;
        Room::new(kbps, quota_gib.map(|gib| u64::from(gib) << 30), when_full, keep_days)
    }

    /// Between which rates the picture follows main's line, if it is to.
    #[must_use]
    pub fn rates(&self) -> Option<Range> {
        let VideoConfig { protect, bitrate_kbps, floor_kbps, .. } = self.video;
        (protect == Protect::Stream || self.record.bitrate_kbps.is_some()).then(|| Range {
            floor_kbps: floor_kbps.unwrap_or(bitrate_kbps / 3).max(50),
            ceiling_kbps: bitrate_kbps,
            sound_kbps: self.audio.bitrate_kbps,
        })
    }

    /// The front panel's socket.
    #[must_use]
    pub fn panel_socket(&self) -> PathBuf {
        self.panel.socket.clone().unwrap_or_else(|| self.data_dir.join("panel.sock"))
    }

    pub(super) fn resolve_paths(&mut self, base: &Path) {
        let mut resolve = |path: &mut PathBuf| *path = base.join(&path);
        resolve(&mut self.data_dir);
        self.record.dir.iter_mut().for_each(&mut resolve);
        self.panel.socket.iter_mut().for_each(&mut resolve);
        self.healing.reboot_file.iter_mut().for_each(&mut resolve);
        self.cloud.iter_mut().filter_map(|cloud| cloud.ca_file.as_mut()).for_each(&mut resolve);
        match &mut self.source {
            SourceConfig::File { path, .. } => resolve(path),
            SourceConfig::V4l2 { device, .. } => resolve(device),
            SourceConfig::Pattern { .. } => {}
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.video.validate()?;
        let mut has_clock = false;
        if let SourceConfig::File { script, .. } | SourceConfig::Pattern { script } = &self.source {
            let script = Script::parse(script).map_err(|(line, problem)| {
                let line = format!("source.script[{line}]");
                ConfigError::invalid(line, problem, "mend the line, or leave the script out")
            })?;
            has_clock = script.has_clock();
        }
        self.audio.validate(&self.source, has_clock)?;
        for (field, seconds) in [
            ("alarms.silence_s", self.alarms.silence_s),
            ("alarms.black_s", self.alarms.black_s),
            ("alarms.frozen_s", self.alarms.frozen_s),
        ] {
            within(field, seconds, 0, 3_600)?;
        }
        if !(-100..=-10).contains(&self.alarms.silence_dbfs) {
            let problem = format!("{} is out of range", self.alarms.silence_dbfs);
            return Err(ConfigError::invalid("alarms.silence_dbfs", problem, "give -100 to -10"));
        }
        within("healing.after_s", self.healing.after_s, 0, 3_600)?;
        within("backup.main_back_s", self.backup.main_back_s, 1, 3_600)?;
        within("record.slow_s", self.record.slow_s, 1, 60)?;
        within("record.segment_s", self.record.segment_s, 10, 86_400)?;
        for (field, value, min, max) in [
            ("record.bitrate_kbps", self.record.bitrate_kbps, 50, 200_000),
            ("record.segment_mib", self.record.segment_mib, 16, 3_700),
            ("record.quota_gib", self.record.quota_gib, 1, 1 << 20),
            ("record.keep_days", self.record.keep_days, 1, 3_650),
        ] {
            value.map_or(Ok(()), |value| within(field, value, min, max))?;
        }
        for (index, output) in self.outputs.iter().enumerate() {
            if self.outputs[..index].iter().any(|earlier| earlier.role == output.role) {
                return Err(ConfigError::invalid(
                    format!("outputs[{index}].role"),
                    "there is an output of this role already",
                    "give each of `main`, `backup`, `third` and `fourth` once at most",
                ));
            }
            scheme(&format!("outputs[{index}].url"), &output.url, &["rtmp", "rtmps"])?;
            if output.key.expose().is_empty() {
                return Err(ConfigError::invalid(
                    format!("outputs[{index}].key"),
                    "is empty",
                    "give the stream key of the server",
                ));
            }
        }
        if let Some(cloud) = &self.cloud {
            scheme("cloud.url", &cloud.url, &["http", "https"])?;
            scheme("cloud.mqtt_url", &cloud.mqtt_url, &["mqtt", "mqtts"])?;
            if cloud.ca_file.is_some() && cloud.tls_fingerprint.is_some() {
                return Err(ConfigError::invalid(
                    "cloud.tls_fingerprint",
                    "there is a `cloud.ca_file` too",
                    "give one of them: the file for an authority, the print for the cloud's own certificate",
                ));
            }
        }
        Ok(())
    }
}

impl VideoConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        within("video.width", self.width, 64, 3840)?;
        within("video.height", self.height, 64, 2160)?;
        within("video.fps", self.fps, 1, 60)?;
        within("video.bitrate_kbps", self.bitrate_kbps, 50, 100_000)?;
        within("video.keyframe_s", self.keyframe_s, 1, 10)?;
        within("video.bframes", self.bframes, 0, 4)?;
        self.floor_kbps.map_or(Ok(()), |floor| within("video.floor_kbps", floor, 50, self.bitrate_kbps))?;
        for (field, value) in [("video.width", self.width), ("video.height", self.height)] {
            if value % 2 != 0 {
                return Err(ConfigError::invalid(field, format!("{value} is odd"), "give an even number"));
            }
        }
        match &self.preset {
            Some(preset) if !PRESETS.contains(&preset.as_str()) => {
                let problem = format!("there is no preset `{preset}`");
                Err(ConfigError::invalid("video.preset", problem, format!("use one of {PRESETS:?}")))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn within(field: &str, value: u32, min: u32, max: u32) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::invalid(field, format!("{value} is out of range"), format!("give {min} to {max}")))
}

fn scheme(field: &str, text: &str, schemes: &[&str]) -> Result<(), ConfigError> {
    let fix = format!("give an address like {}://host:port", schemes[0]);
    match url::Url::parse(text) {
        Ok(url) if schemes.contains(&url.scheme()) && url.host().is_some() => Ok(()),
        Ok(url) => {
            Err(ConfigError::invalid(field, format!("`{}` is not an address for this", url.scheme()), fix))
        }
        Err(error) => Err(ConfigError::invalid(field, error.to_string(), fix)),
    }
}
