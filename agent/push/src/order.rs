//! Puts the two tracks into one order, by decoding time.
//!
//! What comes in bursts (a group of pictures and then its sound, at the begin of a run) or by two ways is uneven.
//! A track waits for the other one, but not for ever.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use stagebox_media::{Packet, Track};

/// How long a frame waits for what may belong before it; services of others are further behind than that.
const HOLD: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Order {
    video: Lane,
    audio: Lane,
}

/// One track's packets, with when they came.
#[derive(Debug, Default)]
struct Lane {
    packets: VecDeque<(Instant, Packet)>,
    /// The latest time that has come: what comes next is not before it.
    reached_ns: Option<i64>,
    /// More of it is expected: it was announced, or has brought something, and has not been waited for in vain since.
    awaited: bool,
}

/// What is known of a lane's first frame; a configuration before it has its time.
#[derive(Debug, Clone, Copy)]
struct Head {
    arrived: Instant,
    dts_ns: i64,
}

impl Order {
    pub(super) fn push(&mut self, now: Instant, packet: Packet) {
        let lane = self.lane(packet.track());
        lane.awaited = true;
        if let Packet::Frame(frame) = &packet {
            lane.reached_ns = lane.reached_ns.max(Some(frame.dts_ns));
        }
        lane.packets.push_back((now, packet));
    }

    /// The next packet, once it is known that none belongs before it or none was waited for for long enough.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Packet> {
        let track = match (self.video.head(), self.audio.head()) {
            (Some(video), Some(audio)) if audio.dts_ns < video.dts_ns => Track::Audio,
            (Some(_), Some(_)) => Track::Video,
            (Some(head), None) => self.audio.let_pass(head, now).then_some(Track::Video)?,
            (None, Some(head)) => self.video.let_pass(head, now).then_some(Track::Audio)?,
            (None, None) => return None,
        };
        self.lane(track).packets.pop_front().map(|(_, packet)| packet)
    }

    /// When [`Self::pop`] gives something, if nothing comes before.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match (self.video.head(), self.audio.head()) {
            (Some(head), None) | (None, Some(head)) => Some(head.arrived + HOLD),
            _ => None,
        }
    }

    /// Bytes of frames that wait.
    pub(super) fn queued_bytes(&self) -> usize {
        let packets = self.video.packets.iter().chain(&self.audio.packets);
        packets.map(|(_, packet)| if let Packet::Frame(frame) = packet { frame.data.len() } else { 0 }).sum()
    }

    fn lane(&mut self, track: Track) -> &mut Lane {
        match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        }
    }
}

impl Lane {
    fn head(&self) -> Option<Head> {
        self.packets.iter().find_map(|(arrived, packet)| match packet {
            Packet::Frame(frame) => Some(Head { arrived: *arrived, dts_ns: frame.dts_ns }),
            Packet::Config(_) => None,
        })
    }

    /// Whether the other lane's head need not wait for this one, which has nothing.
    fn let_pass(&mut self, other: Head, now: Instant) -> bool {
        if self.reached_ns.is_some_and(|reached_ns| reached_ns >= other.dts_ns) {
            return true;
        }
        self.awaited &= now < other.arrived + HOLD;
        !self.awaited
    }
}
