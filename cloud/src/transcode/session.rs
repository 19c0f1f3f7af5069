//! One worker while it lives: what it was told and given, and what came of it.

use stagebox_hw::Encoder;
use stagebox_media::wire::WireMessage;
use stagebox_media::{Packet, TrackConfig};

use super::process::Process;
use super::protocol::{Order, to_json};
use super::refill::Kept;
use super::watch::Watch;

/// A worker and what is known of it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) process: Process,
    pub(super) watch: Watch,
    /// Nanoseconds of media that it decodes again.
    again_ns: i64,
    pub(super) is_ready: bool,
    is_draining: bool,
    /// It encodes in hardware, at least some of it.
    pub(super) hardware: bool,
    /// Something new came out of it.
    pub(super) fruitful: bool,
}

impl Session {
    /// Tells a worker what to make; frames follow when it is ready.
    pub(super) fn begin(
        mut process: Process,
        order: &Order,
        config: TrackConfig,
        watch: Watch,
        again_ns: i64,
    ) -> Self {
        process.give(&WireMessage::Control(to_json(order)));
        process.give(&WireMessage::Packet { stream: 0, packet: Packet::Config(config) });
        Self {
            process,
            watch,
            again_ns,
            is_ready: false,
            is_draining: false,
            hardware: false,
            fruitful: false,
        }
    }

    pub(super) fn ready(&mut self, now: std::time::Instant, encoders: &[Encoder]) {
        self.is_ready = true;
        self.hardware = encoders.iter().any(|encoder| encoder.is_hardware());
        self.watch.ready(now, self.again_ns);
    }

    /// Gives the worker the next frame once it has taken the one before, and at the run's end the order to finish.
    pub(super) fn feed(&mut self, kept: &mut Kept, ended: bool) {
        if !self.is_ready || self.process.is_waiting() {
            return;
        }
        if let Some(frame) = kept.take_next() {
            self.watch.given(frame.pts_ns);
            self.process.give(&WireMessage::Packet { stream: 0, packet: Packet::Frame(frame) });
        } else if ended && !self.is_draining {
            self.is_draining = true;
            self.process.give(&WireMessage::Control(to_json(&Order::Drain)));
        }
    }
}
