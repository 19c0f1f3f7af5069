//! Puts the two tracks into one order, by decoding time.
//!
//! Encoders take different times; servers and files want what belongs together to come together.

use std::collections::VecDeque;

use stagebox_media::{Packet, Track};

/// How far one track may run ahead before it no longer waits for the other: more than pictures can wait.
const MOST_AHEAD_NS: i64 = 5_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Interleave {
    video: VecDeque<Packet>,
    audio: VecDeque<Packet>,
}

impl Interleave {
    pub(super) fn push(&mut self, packet: Packet) {
        match packet.track() {
            Track::Video => self.video.push_back(packet),
            Track::Audio => self.audio.push_back(packet),
        }
    }

    /// The next packet, once it is known that none belongs before it.
    pub(super) fn pop(&mut self) -> Option<Packet> {
        let first = match (head_ns(&self.video), head_ns(&self.audio)) {
            (Some(video), Some(audio)) if audio < video => &mut self.audio,
            (Some(_), Some(_)) => &mut self.video,
            (Some(video), None) if tail_ns(&self.video) - video > MOST_AHEAD_NS => &mut self.video,
            (None, Some(audio)) if tail_ns(&self.audio) - audio > MOST_AHEAD_NS => &mut self.audio,
            _ => return None,
        };
        first.pop_front()
    }

    /// Everything that waits, in order, without waiting for more.
    pub(super) fn flush(&mut self) -> Vec<Packet> {
        let mut out = Vec::new();
        loop {
            let from = match (head_ns(&self.video), head_ns(&self.audio)) {
                (Some(video), Some(audio)) if audio < video => &mut self.audio,
                (Some(_), _) => &mut self.video,
                (None, Some(_)) => &mut self.audio,
                (None, None) => return out,
            };
            out.extend(from.pop_front());
        }
    }
}

/// When the first frame of a track is decoded; a configuration has the time of the frame behind it.
fn head_ns(packets: &VecDeque<Packet>) -> Option<i64> {
    packets.iter().find_map(frame_ns)
}

fn tail_ns(packets: &VecDeque<Packet>) -> i64 {
    packets.iter().rev().find_map(frame_ns).unwrap_or(i64::MIN)
}

fn frame_ns(packet: &Packet) -> Option<i64> {
    match packet {
        Packet::Frame(frame) => Some(frame.dts_ns),
        Packet::Config(_) => None,
    }
}
