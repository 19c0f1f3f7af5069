//! What a box does that is told nothing.

use std::path::PathBuf;

use super::AudioConfig;
use super::tree::{
    AlarmConfig, BackupConfig, BackupPush, Config, HealingConfig, PanelConfig, Protect, RecordConfig,
    SourceConfig, VideoConfig,
};
use crate::record::WhenFull;

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/stagebox"),
            source: SourceConfig::Pattern { script: Vec::new() },
            video: VideoConfig::default(),
            audio: AudioConfig::default(),
            alarms: AlarmConfig::default(),
            record: RecordConfig::default(),
            outputs: Vec::new(),
            backup: BackupConfig::default(),
            cloud: None,
            panel: PanelConfig::default(),
            healing: HealingConfig::default(),
        }
    }
}

impl Default for VideoConfig {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            fps: 30,
            bitrate_kbps: 3000,
            preset: None,
            keyframe_s: 2,
            bframes: 0,
            zero_latency: false,
            encoder: "auto".to_owned(),
            protect: Protect::default(),
            floor_kbps: None,
        }
    }
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self { push: BackupPush::default(), main_back_s: 30 }
    }
}

impl Default for HealingConfig {
    fn default() -> Self {
        Self { after_s: 10, reboot_file: None }
    }
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self {
            dir: None,
            bitrate_kbps: None,
            segment_s: 1800,
            segment_mib: None,
            quota_gib: None,
            keep_days: None,
            when_full: WhenFull::default(),
            prefer_usb: false,
            upload: false,
            slow_s: 2,
        }
    }
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self { silence_s: 10, silence_dbfs: -60, black_s: 10, frozen_s: 0 }
    }
}
