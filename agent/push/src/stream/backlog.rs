//! What a newcomer needs to begin at once: the configurations and the frames since the last keyframe.

use stagebox_media::{Packet, Track, TrackConfig};

/// The latest configuration of each track.
#[derive(Debug, Clone, Default)]
pub(super) struct Configs {
    video: Option<TrackConfig>,
    audio: Option<TrackConfig>,
}

impl Configs {
    pub(super) fn set(&mut self, config: TrackConfig) {
        match config.track {
            Track::Video => self.video = Some(config),
            Track::Audio => self.audio = Some(config),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TrackConfig> {
        self.video.iter().chain(self.audio.iter())
    }
}

/// The stream since its last keyframe, as long as that stays within a limit.
#[derive(Debug)]
pub(super) struct Backlog {
    /// As they were when the first packet of `packets` came.
    before: Configs,
    latest: Configs,
    packets: Vec<Packet>,
    bytes: usize,
    max_bytes: usize,
}

impl Backlog {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            before: Configs::default(),
            latest: Configs::default(),
            packets: Vec::new(),
            bytes: 0,
            max_bytes,
        }
    }

    pub(super) fn push(&mut self, packet: &Packet) {
        match packet {
            Packet::Config(config) => {
                self.latest.set(config.clone());
                // Pictures of the old configuration do not lead up to those of the new one.
                if config.track == Track::Video || self.packets.is_empty() {
                    self.restart();
                } else {
                    self.packets.push(packet.clone());
                }
            }
            Packet::Frame(frame) => {
                if frame.track == Track::Video && frame.key {
                    self.restart();
                } else if self.packets.is_empty() {
                    return;
                }
                self.bytes += frame.data.len();
                self.packets.push(packet.clone());
                if self.bytes > self.max_bytes {
                    self.restart();
                }
            }
        }
    }

    fn restart(&mut self) {
        self.packets.clear();
        self.bytes = 0;
        self.before = self.latest.clone();
    }

    /// The latest configurations.
    pub(super) fn configs(&self) -> &Configs {
        &self.latest
    }

    /// Configurations, then everything from the last keyframe on.
    pub(super) fn replay(&self) -> impl Iterator<Item = Packet> {
        self.before.iter().cloned().map(Packet::Config).chain(self.packets.iter().cloned())
    }
}
