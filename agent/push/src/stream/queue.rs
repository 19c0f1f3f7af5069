//! One reader's bounded queue; on overflow it loses whole groups of pictures.

use std::collections::VecDeque;

use stagebox_media::{Frame, Packet, Track, TrackConfig};

use super::backlog::Configs;

/// What happens to the next frame.
#[derive(Debug)]
enum Flow {
    /// Every frame is taken.
    Open,
    /// Frames are passed over until a video keyframe; what was configured
    /// meanwhile goes in front of it.
    UntilKey { configs: Configs, counted: bool },
}

#[derive(Debug)]
pub(super) struct Queue {
    packets: VecDeque<Packet>,
    bytes: usize,
    max_bytes: usize,
    flow: Flow,
    /// A stream without video can be entered at any frame.
    has_video: bool,
    dropped_frames: u64,
    closed: bool,
}

impl Queue {
    /// An empty queue that waits for a keyframe.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
            max_bytes,
            flow: Flow::UntilKey { configs: Configs::default(), counted: false },
            has_video: false,
            dropped_frames: 0,
            closed: false,
        }
    }

    pub(super) fn push(&mut self, packet: Packet) {
        match packet {
            Packet::Config(config) => self.push_config(config),
            Packet::Frame(frame) => self.push_frame(frame),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.bytes -= frame_bytes(&packet);
        Some(packet)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn dropped_frames(&self) -> u64 {
        self.dropped_frames
    }

    fn push_config(&mut self, config: TrackConfig) {
        self.has_video |= config.track == Track::Video;
        match &mut self.flow {
            Flow::Open => self.packets.push_back(Packet::Config(config)),
            Flow::UntilKey { configs, .. } => configs.set(config),
        }
    }

    fn push_frame(&mut self, frame: Frame) {
        if let Flow::UntilKey { configs, counted } = &mut self.flow {
            let enters = (frame.track == Track::Video && frame.key) || !self.has_video;
            if !enters || frame.data.len() > self.max_bytes {
                self.dropped_frames += u64::from(*counted);
                return;
            }
            let configs = std::mem::take(configs);
            self.packets.extend(configs.iter().cloned().map(Packet::Config));
            self.flow = Flow::Open;
        }
        self.bytes += frame.data.len();
        self.packets.push_back(Packet::Frame(frame));
        while self.bytes > self.max_bytes {
            self.drop_group();
        }
    }

    /// Drops from the head to the next keyframe behind it, or everything.
    fn drop_group(&mut self) {
        let mut configs = Configs::default();
        let mut frames = 0;
        while let Some(packet) = self.packets.front() {
            if frames > 0 && self.is_entry(packet) {
                break;
            }
            frames += usize::from(matches!(packet, Packet::Frame(_)));
            if let Some(Packet::Config(config)) = self.pop() {
                configs.set(config);
            }
        }
        self.dropped_frames += frames as u64;
        if self.packets.is_empty() {
            self.flow = Flow::UntilKey { configs, counted: true };
        } else {
            for config in configs.iter().cloned().collect::<Vec<_>>().into_iter().rev() {
                self.packets.push_front(Packet::Config(config));
            }
        }
    }

    fn is_entry(&self, packet: &Packet) -> bool {
        match packet {
            Packet::Frame(frame) => (frame.track == Track::Video && frame.key) || !self.has_video,
            Packet::Config(_) => false,
        }
    }
}

fn frame_bytes(packet: &Packet) -> usize {
    match packet {
        Packet::Frame(frame) => frame.data.len(),
        Packet::Config(_) => 0,
    }
}
