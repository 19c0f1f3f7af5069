//! An encoder: what it sends, in its own time, with each frame's number in its bytes.

use bytes::{BufMut as _, Bytes, BytesMut};
use rand::Rng as _;
use rand::rngs::SmallRng;
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::{Codec, Epoch, Frame, Track, TrackConfig};

use crate::live::segmenter::tests::video_config;

const MS_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;
/// Frames a second that encoders are set to.
const RATES: [i64; 8] = [15, 24, 25, 30, 30, 50, 50, 60];
/// Samples in a frame of AAC.
const SAMPLES: i64 = 1024;
/// Bytes of a frame: four of length, one of a header, and its number.
const FRAME_BYTES: usize = 13;

/// Which frame of which encoder this is; none for a slate's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) encoder: u32,
    pub(super) track: Track,
    /// In the order in which they were made, from zero.
    pub(super) number: u64,
}

impl Name {
    fn bytes(self) -> Bytes {
        let track = u64::from(self.track == Track::Audio);
        let mut data = BytesMut::with_capacity(FRAME_BYTES);
        data.put_slice(&[0, 0, 0, 9, 0x65]);
        data.put_u64(u64::from(self.encoder) << 32 | self.number << 1 | track);
        data.freeze()
    }

    pub(super) fn of(data: &[u8]) -> Option<Self> {
        let id = u64::from_be_bytes(data.get(5..FRAME_BYTES)?.try_into().ok()?);
        let track = if id & 1 == 0 { Track::Video } else { Track::Audio };
        Some(Self { encoder: (id >> 32) as u32, track, number: id >> 1 & 0x7fff_ffff })
    }
}

#[derive(Debug)]
struct Pictures {
    frame_ns: i64,
    key_every: u64,
    reordered: i64,
    next: u64,
    last_key: Option<u64>,
}

#[derive(Debug)]
struct Sound {
    rate: u32,
    early_ns: i64,
    next: u64,
}

/// One frame as it leaves the encoder.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) at_ns: i64,
    pub(super) frame: Frame,
}

/// One run of an encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) number: u32,
    pub(super) epoch: Epoch,
    pictures: Option<Pictures>,
    sound: Option<Sound>,
    /// Times are whole milliseconds, as RTMP has them.
    whole_ms: bool,
    /// What its clock says at the virtual time zero.
    clock_ns: i64,
    began_ns: i64,
    /// Nothing is captured until then.
    mute_until_ns: i64,
    /// How often its pictures' configuration was changed.
    changes: u8,
}

impl Encoder {
    /// One that begins at a time; of an epoch of its own if it tells it, as a box does.
    pub(super) fn new(number: u32, tells_epoch: bool, at_ns: i64, dice: &mut SmallRng) -> Self {
        let frame_ns = SECOND_NS / RATES[dice.random_range(0..RATES.len())];
        let seconds = [1, 1, 2, 2, 2, 3, 4, 7, 12][dice.random_range(0..9)];
        let key_every = (seconds * SECOND_NS / frame_ns).unsigned_abs();
        let reordered = if dice.random_bool(0.3) { dice.random_range(1..3) } else { 0 };
        let pictures = Pictures { frame_ns, key_every, reordered, next: 0, last_key: None };
        let rate = [48_000, 48_000, 44_100, 32_000][dice.random_range(0..4)];
        let sound = Sound { rate, early_ns: dice.random_range(-200..200) * MS_NS, next: 0 };
        let kind = dice.random_range(0..20);
        let clock_ns = match dice.random_range(0..4) {
            0 => 0,
            // RTMP's clock of 32 bits comes to its end within minutes.
            1 => (1 << 32) * MS_NS - 100 * SECOND_NS,
            _ => dice.random_range(0..100_000) * SECOND_NS,
        };
        Self {
            number,
            epoch: if tells_epoch { Epoch(u64::from(number) + 1) } else { Epoch::UNKNOWN },
            pictures: (kind != 0).then_some(pictures),
            sound: (kind != 1).then_some(sound),
            whole_ms: dice.random_bool(0.7),
            clock_ns: clock_ns - at_ns,
            began_ns: at_ns,
            mute_until_ns: at_ns,
            changes: 0,
        }
    }

    /// What decoders have to know, as it is now.
    pub(super) fn configs(&self) -> Vec<TrackConfig> {
        let pictures = self.pictures.as_ref().map(|_| {
            let config = video_config();
            let mut data = config.data.to_vec();
            // The level, which is no picture's business.
            data[3] += self.changes % 4;
            TrackConfig { epoch: self.epoch, data: data.into(), ..config }
        });
        let sound = self.sound.as_ref().map(|sound| {
            let data = AudioSpecificConfig::lc(sound.rate, 2).unwrap().to_bytes();
            TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: self.epoch, data }
        });
        pictures.into_iter().chain(sound).collect()
    }

    /// Whether a broadcast of it can begin with this frame.
    pub(super) fn begins_with(&self, frame: &Frame) -> bool {
        frame.key && (frame.track == Track::Video || self.pictures.is_none())
    }

    /// Its clock is set anew.
    pub(super) fn jump(&mut self, by_ns: i64) {
        self.clock_ns += by_ns;
    }

    /// It captures nothing for a while.
    pub(super) fn mute(&mut self, until_ns: i64) {
        self.mute_until_ns = until_ns;
    }

    /// Its pictures are of another kind from the next one on, which is a key frame.
    pub(super) fn change(&mut self) {
        self.changes += 1;
        if let Some(pictures) = &mut self.pictures {
            pictures.last_key = None;
        }
    }

    /// Gives all frames that leave before a time, in order.
    pub(super) fn leave_until(&mut self, until_ns: i64, dice: &mut SmallRng, out: &mut Vec<Leaving>) {
        loop {
            let picture_ns = self.pictures.as_ref().map(|pictures| pictures.next as i64 * pictures.frame_ns);
            let sound_ns = self.sound.as_ref().map(|sound| {
                (sound.next as i64 * SAMPLES * SECOND_NS / i64::from(sound.rate), sound.early_ns)
            });
            let picture_at = picture_ns.map(|at| self.began_ns + at);
            let sound_at = sound_ns.map(|(at, early)| self.began_ns + at - early);
            let is_picture = match (picture_at, sound_at) {
                (Some(picture), Some(sound)) => picture <= sound,
                (picture, _) => picture.is_some(),
            };
            let at_ns = if is_picture { picture_at } else { sound_at };
            let Some(at_ns) = at_ns.filter(|at| *at < until_ns) else { return };
            let frame = if is_picture { self.picture(dice) } else { self.sound() };
            if at_ns >= self.mute_until_ns {
                out.extend(frame.map(|frame| Leaving { at_ns, frame }));
            }
        }
    }

    fn time(&self, at_ns: i64) -> i64 {
        let at_ns = self.clock_ns + self.began_ns + at_ns;
        if self.whole_ms { (at_ns + MS_NS / 2).div_euclid(MS_NS) * MS_NS } else { at_ns }
    }

    fn picture(&mut self, dice: &mut SmallRng) -> Option<Frame> {
        let pictures = self.pictures.as_mut()?;
        let number = pictures.next;
        pictures.next += 1;
        let is_due = pictures.last_key.is_none_or(|last| number - last >= pictures.key_every);
        let key = is_due || dice.random_bool(0.002);
        if key {
            pictures.last_key = Some(number);
        }
        let (frame_ns, reordered) = (pictures.frame_ns, pictures.reordered);
        let dts_ns = self.time(number as i64 * frame_ns);
        let pts_ns = self.time((number as i64 + reordered) * frame_ns);
        Some(self.frame(Track::Video, number, pts_ns, dts_ns, key))
    }

    fn sound(&mut self) -> Option<Frame> {
        let sound = self.sound.as_mut()?;
        let number = sound.next;
        sound.next += 1;
        let rate = i64::from(sound.rate);
        // What is heard with the first picture that is seen.
        let first_ns = self.pictures.as_ref().map_or(0, |pictures| pictures.reordered * pictures.frame_ns);
        let at_ns = self.time(first_ns + number as i64 * SAMPLES * SECOND_NS / rate);
        Some(self.frame(Track::Audio, number, at_ns, at_ns, true))
    }

    fn frame(&self, track: Track, number: u64, pts_ns: i64, dts_ns: i64, key: bool) -> Frame {
        let codec = if track == Track::Video { Codec::H264 } else { Codec::Aac };
        let data = Name { encoder: self.number, track, number }.bytes();
        Frame { track, codec, epoch: self.epoch, pts_ns, dts_ns, key, data }
    }
}
