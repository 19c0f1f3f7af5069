//! Frames for servers that others wrote: times that begin at zero, never fall and never leap.

use std::time::Instant;

use stagebox_media::{Epoch, Frame, Packet, Track, TrackConfig};

use crate::order::Order;

/// A track that falls behind itself by more begins a new run on a clock of its own.
const FALL_NS: i64 = 1_000_000_000;
/// More than lies between the tracks of one run, or is lost on a slow line.
const LEAP_NS: i64 = 30_000_000_000;
/// From the last frame of one clock to the first of another.
const USUAL_FRAME_NS: i64 = 33_333_333;

/// What a connection has sent, and is to send next.
///
/// A stream's runs follow one another on one timeline, whatever their encoders' clocks say; a new run's
/// configuration goes right before its first frame. Epochs mean nothing to these servers and are taken off.
#[derive(Debug, Default)]
pub(super) struct FromZero {
    order: Order,
    /// Added to every time that comes, so that runs follow one another.
    shift_ns: i64,
    /// The latest times that came, by track.
    video_ns: Option<i64>,
    audio_ns: Option<i64>,
    /// The time of the first frame that was given out.
    zero_ns: Option<i64>,
    last_ns: i64,
    video_config: Option<TrackConfig>,
    audio_config: Option<TrackConfig>,
}

impl FromZero {
    pub(super) fn push(&mut self, now: Instant, packet: Packet) {
        let packet = match packet {
            Packet::Config(config) => Packet::Config(TrackConfig { epoch: Epoch::UNKNOWN, ..config }),
            Packet::Frame(frame) => Packet::Frame(self.join(frame)),
        };
        self.order.push(now, packet);
    }

    /// The next packet to send, if it is time for one.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Packet> {
        loop {
            match self.order.pop(now)? {
                Packet::Frame(frame) => return Some(Packet::Frame(self.place(frame))),
                Packet::Config(config) if self.is_news(&config) => return Some(Packet::Config(config)),
                Packet::Config(_) => {}
            }
        }
    }

    /// When [`Self::pop`] gives something, if nothing comes before; to be asked once it gives nothing.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.order.next_deadline()
    }

    /// Bytes of frames that wait.
    pub(super) fn queued_bytes(&self) -> usize {
        self.order.queued_bytes()
    }

    /// Puts a frame behind those that came before, where it is of another clock.
    fn join(&mut self, frame: Frame) -> Frame {
        let mut at_ns = frame.dts_ns.saturating_add(self.shift_ns);
        if let Some(reached_ns) = self.video_ns.max(self.audio_ns) {
            let least_ns = match self.latest(frame.track) {
                Some(latest_ns) => latest_ns.saturating_sub(FALL_NS),
                None => reached_ns.saturating_sub(LEAP_NS),
            };
            if at_ns < least_ns || at_ns > reached_ns.saturating_add(LEAP_NS) {
                at_ns = reached_ns.saturating_add(USUAL_FRAME_NS);
                self.shift_ns = at_ns.saturating_sub(frame.dts_ns);
                (self.video_ns, self.audio_ns) = (None, None);
            }
        }
        let latest = self.latest(frame.track);
        *latest = (*latest).max(Some(at_ns));
        moved(frame, self.shift_ns)
    }

    /// A frame's time on the wire.
    fn place(&mut self, frame: Frame) -> Frame {
        let zero_ns = *self.zero_ns.get_or_insert(frame.dts_ns);
        let mut frame = moved(frame, zero_ns.saturating_neg());
        if frame.dts_ns < self.last_ns {
            // It was waited for in vain. It is shown when it should be, if that is still to come.
            frame.dts_ns = self.last_ns;
            frame.pts_ns = frame.pts_ns.max(self.last_ns);
        }
        self.last_ns = frame.dts_ns;
        frame
    }

    fn latest(&mut self, track: Track) -> &mut Option<i64> {
        match track {
            Track::Video => &mut self.video_ns,
            Track::Audio => &mut self.audio_ns,
        }
    }

    /// Whether the server has not been told the same before.
    fn is_news(&mut self, config: &TrackConfig) -> bool {
        let told = match config.track {
            Track::Video => &mut self.video_config,
            Track::Audio => &mut self.audio_config,
        };
        told.replace(config.clone()).as_ref() != Some(config)
    }
}

fn moved(frame: Frame, by_ns: i64) -> Frame {
    Frame {
        epoch: Epoch::UNKNOWN,
        pts_ns: frame.pts_ns.saturating_add(by_ns),
        dts_ns: frame.dts_ns.saturating_add(by_ns),
        ..frame
    }
}
