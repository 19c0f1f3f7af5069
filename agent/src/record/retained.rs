//! Frames that may not be on disk yet: with them a recording goes on elsewhere without losing one.

use std::collections::VecDeque;

use stagebox_media::frame::SECOND_NS;
use stagebox_media::{Frame, Packet, TrackConfig};

/// So long after a frame it is in a fragment: a second in which the sound of the file before is waited for, half a
/// second of a fragment, and more for pictures that are shown long after they are decoded.
const SLACK_NS: i64 = 4 * SECOND_NS;
/// Beyond this the oldest group of pictures is given up.
const MOST_BYTES: usize = 96 * 1024 * 1024;
/// So often the same frames are begun anew with; beyond it no disk takes them.
pub(super) const MOST_REPLAYS: u32 = 2;

/// Whole groups of pictures, from the first that is not on disk for sure.
#[derive(Debug, Default)]
pub(super) struct Retained {
    groups: VecDeque<Group>,
    bytes: usize,
    /// How often they were given back since the last group that is on disk for sure.
    replays: u32,
}

#[derive(Debug)]
struct Group {
    /// Those that were in force when it began.
    configs: Vec<TrackConfig>,
    packets: Vec<Packet>,
    begins_ns: i64,
    bytes: usize,
}

impl Retained {
    /// Takes a frame that a file takes too; `configs` begins a group with it.
    pub(super) fn push(&mut self, frame: &Frame, configs: Option<Vec<TrackConfig>>) {
        if let Some(configs) = configs {
            self.groups.push_back(Group { configs, packets: Vec::new(), begins_ns: frame.dts_ns, bytes: 0 });
        }
        let Some(group) = self.groups.back_mut() else { return };
        group.packets.push(Packet::Frame(frame.clone()));
        group.bytes += frame.data.len();
        self.bytes += frame.data.len();
        while self.bytes > MOST_BYTES && self.groups.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Takes a configuration that comes between frames.
    pub(super) fn configure(&mut self, config: &TrackConfig) {
        if let Some(group) = self.groups.back_mut() {
            group.packets.push(Packet::Config(config.clone()));
        }
    }

    /// Lets go what is on disk: a fragment that ends with a frame of the time `cut_ns` is.
    pub(super) fn written(&mut self, cut_ns: i64) {
        while self.groups.get(1).is_some_and(|next| next.begins_ns <= cut_ns.saturating_sub(SLACK_NS)) {
            self.drop_oldest();
            self.replays = 0;
        }
    }

    /// When the newest group began.
    pub(super) fn newest_ns(&self) -> Option<i64> {
        self.groups.back().map(|group| group.begins_ns)
    }

    /// Gives back all there is, with the configurations that it begins with; `None`, and nothing is left, where it was
    /// given back too often.
    pub(super) fn take(&mut self) -> Option<(Vec<TrackConfig>, Vec<Packet>)> {
        let before = std::mem::take(self);
        let mut groups = before.groups.into_iter();
        let Some(first) = groups.next() else { return Some((Vec::new(), Vec::new())) };
        if before.replays >= MOST_REPLAYS {
            return None;
        }
        self.replays = before.replays + 1;
        let packets = first.packets.into_iter().chain(groups.flat_map(|group| group.packets));
        Some((first.configs, packets.collect()))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn drop_oldest(&mut self) {
        if let Some(group) = self.groups.pop_front() {
            self.bytes -= group.bytes;
        }
    }
}
