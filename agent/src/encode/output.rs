//! From the encoders' output to packets: configurations, epoch, order.

use bytes::Bytes;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig, h264};

use super::interleave::Interleave;
use super::sound_time::SoundTime;

/// One encoded frame as the encoder gives it.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    pub(super) track: Track,
    /// The codec's configuration as it stands with this frame.
    pub(super) config: Bytes,
    pub(super) pts_ns: i64,
    pub(super) dts_ns: i64,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

/// Makes packets of one timeline and one epoch out of both encoders' frames.
#[derive(Debug)]
pub(super) struct Output {
    epoch: Epoch,
    draw_epoch: fn() -> Epoch,
    video_config: Option<Bytes>,
    audio_config: Option<Bytes>,
    sound_time: SoundTime,
    interleave: Interleave,
    last_video_dts: i64,
}

impl Output {
    pub(super) fn new(sound_time: SoundTime, draw_epoch: fn() -> Epoch) -> Self {
        Self {
            epoch: draw_epoch(),
            draw_epoch,
            video_config: None,
            audio_config: None,
            sound_time,
            interleave: Interleave::default(),
            last_video_dts: i64::MIN,
        }
    }

    /// Takes a frame; `out` gets what is in order by now.
    pub(super) fn push(&mut self, encoded: Encoded, out: &mut Vec<Packet>) {
        self.configure(encoded.track, &encoded.config, out);
        let frame = match encoded.track {
            Track::Video => self.video(encoded),
            Track::Audio => self.audio(encoded),
        };
        self.interleave.push(Packet::Frame(frame));
        out.extend(std::iter::from_fn(|| self.interleave.pop()));
    }

    /// A first configuration is announced; a changed one begins a new epoch of both tracks.
    fn configure(&mut self, track: Track, config: &Bytes, out: &mut Vec<Packet>) {
        let known = match track {
            Track::Video => &mut self.video_config,
            Track::Audio => &mut self.audio_config,
        };
        match known.replace(config.clone()) {
            None => self.announce(track),
            Some(before) if before == *config => {}
            Some(_) => {
                out.extend(self.interleave.flush());
                self.epoch = (self.draw_epoch)();
                self.announce(Track::Video);
                self.announce(Track::Audio);
            }
        }
    }

    fn announce(&mut self, track: Track) {
        let (codec, data) = match track {
            Track::Video => (Codec::H264, &self.video_config),
            Track::Audio => (Codec::Aac, &self.audio_config),
        };
        if let Some(data) = data.clone() {
            let config = TrackConfig { track, codec, epoch: self.epoch, data };
            self.interleave.push(Packet::Config(config));
        }
    }

    fn video(&mut self, encoded: Encoded) -> Frame {
        let data = if encoded.key { h264::write_epoch(&encoded.data, self.epoch) } else { encoded.data };
        // Encoders that give no decoding time give pictures in order.
        let dts_ns = encoded.dts_ns.max(self.last_video_dts.saturating_add(1));
        self.last_video_dts = dts_ns;
        Frame {
            track: Track::Video,
            codec: Codec::H264,
            epoch: self.epoch,
            pts_ns: encoded.pts_ns.max(dts_ns),
            dts_ns,
            key: encoded.key,
            data,
        }
    }

    fn audio(&mut self, encoded: Encoded) -> Frame {
        let at_ns = self.sound_time.stamp(encoded.pts_ns);
        Frame {
            track: Track::Audio,
            codec: Codec::Aac,
            epoch: self.epoch,
            pts_ns: at_ns,
            dts_ns: at_ns,
            key: true,
            data: encoded.data,
        }
    }
}

/// A random epoch, never the unknown one.
pub(super) fn random_epoch() -> Epoch {
    let random = getrandom::u64().unwrap_or_else(|_| crate::clock::monotonic_ns().unsigned_abs());
    Epoch(random.max(1))
}
