//! What of a rendition has been passed on, so that a replaced worker's output joins it without a seam.

use bytes::Bytes;
use stagebox_media::Packet;

/// How far one rendition has come in its run, over all workers.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    last_ns: Option<i64>,
    config: Bytes,
}

impl Delivered {
    /// Presentation time of the last frame that was passed on.
    pub(super) fn last_ns(&self) -> Option<i64> {
        self.last_ns
    }

    /// Whether `packet` is new: frames come in the order in which they are shown, each once.
    pub(super) fn accepts(&mut self, packet: &Packet) -> bool {
        match packet {
            Packet::Config(config) if config.data == self.config => false,
            Packet::Config(config) => {
                self.config = config.data.clone();
                true
            }
            Packet::Frame(frame) if self.last_ns.is_some_and(|last| frame.pts_ns <= last) => false,
            Packet::Frame(frame) => {
                self.last_ns = Some(frame.pts_ns);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use stagebox_media::{Codec, Epoch, Frame, Track, TrackConfig};

    use super::*;

    fn frame(pts_ns: i64) -> Packet {
        Packet::Frame(Frame {
            track: Track::Video,
            codec: Codec::H264,
            epoch: Epoch::UNKNOWN,
            pts_ns,
            dts_ns: pts_ns,
            key: false,
            data: Bytes::new(),
        })
    }

    fn config(data: &'static [u8]) -> Packet {
        let data = Bytes::from_static(data);
        Packet::Config(TrackConfig { track: Track::Video, codec: Codec::H264, epoch: Epoch::UNKNOWN, data })
    }

    #[test]
    fn what_came_before_is_not_passed_on_again() {
        let mut delivered = Delivered::default();
        assert!(delivered.accepts(&config(b"one")));
        assert!(delivered.accepts(&frame(-5)) && delivered.accepts(&frame(10)));
        // A new worker begins a little earlier.
        assert!(!delivered.accepts(&config(b"one")));
        assert!(!delivered.accepts(&frame(-5)) && !delivered.accepts(&frame(10)));
        assert!(delivered.accepts(&frame(20)));
        assert_eq!(delivered.last_ns(), Some(20));
    }

    #[test]
    fn another_encoder_has_another_configuration() {
        let mut delivered = Delivered::default();
        assert!(delivered.accepts(&config(b"one")) && delivered.accepts(&config(b"two")));
        assert!(delivered.accepts(&config(b"one")));
    }
}
