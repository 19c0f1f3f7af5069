//! What is shown while nobody sends anything: a short clip, encoded beforehand, over and over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stagebox_media::{Frame, Track, TrackConfig};

use super::Timed;

/// A clip of pictures that begins with a key frame, and a frame of silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slate(Arc<Clip>);

#[derive(Debug, PartialEq, Eq)]
struct Clip {
    video: TrackConfig,
    pictures: Vec<Bytes>,
    picture_ns: i64,
    audio: TrackConfig,
    silence: Bytes,
    /// Of the sound's clock.
    sample_rate: u32,
}

/// Samples in a frame of AAC.
const SAMPLES: i64 = 1024;

impl Slate {
    /// A clip; without pictures there is none.
    pub(crate) fn new(
        video: TrackConfig,
        pictures: Vec<Bytes>,
        picture_ns: i64,
        audio: TrackConfig,
        silence: Bytes,
        sample_rate: u32,
    ) -> Option<Self> {
        let makes_sense = !pictures.is_empty() && picture_ns > 0 && sample_rate > 0;
        let clip = Clip { video, pictures, picture_ns, audio, silence, sample_rate };
        makes_sense.then(|| Self(Arc::new(clip)))
    }

    pub(crate) fn video(&self) -> &TrackConfig {
        &self.0.video
    }

    pub(crate) fn audio(&self) -> &TrackConfig {
        &self.0.audio
    }

    /// The picture with this number of a run that shows the clip over and over, at a time.
    pub(crate) fn picture(&self, number: u64, at_ns: i64) -> Frame {
        let clip = &self.0;
        let index = usize::try_from(number % clip.pictures.len() as u64).unwrap_or(0);
        Frame {
            track: Track::Video,
            codec: clip.video.codec,
            epoch: clip.video.epoch,
            pts_ns: at_ns,
            dts_ns: at_ns,
            key: index == 0,
            data: clip.pictures.get(index).cloned().unwrap_or_default(),
        }
    }

    fn sound(&self, at_ns: i64) -> Frame {
        let clip = &self.0;
        Frame {
            track: Track::Audio,
            codec: clip.audio.codec,
            epoch: clip.audio.epoch,
            pts_ns: at_ns,
            dts_ns: at_ns,
            key: true,
            data: clip.silence.clone(),
        }
    }

    fn sound_ns(&self, number: i64) -> i64 {
        number.saturating_mul(SAMPLES).saturating_mul(1_000_000_000) / i64::from(self.0.sample_rate)
    }
}

/// A slate that is shown since some moment.
#[derive(Debug)]
pub(super) struct Showing {
    slate: Slate,
    since: Instant,
    from_ns: i64,
    pictures: i64,
    sounds: i64,
}

impl Showing {
    pub(super) fn new(slate: Slate, since: Instant, from_ns: i64) -> Self {
        Self { slate, since, from_ns, pictures: 0, sounds: 0 }
    }

    /// Shows what is due; returns how far it has come.
    pub(super) fn show(&mut self, now: Instant, out: &mut Vec<Timed>) -> i64 {
        let due_ns = i64::try_from(now.saturating_duration_since(self.since).as_nanos()).unwrap_or(i64::MAX);
        let picture_ns = self.slate.0.picture_ns;
        while self.pictures.saturating_mul(picture_ns) <= due_ns {
            let at_ns = self.from_ns.saturating_add(self.pictures.saturating_mul(picture_ns));
            out.push(Timed::Frame(self.slate.picture(self.pictures.unsigned_abs(), at_ns)));
            self.pictures += 1;
            // The sound that begins with it.
            let until_ns = self.pictures.saturating_mul(picture_ns);
            while self.slate.sound_ns(self.sounds) < until_ns {
                let at_ns = self.from_ns.saturating_add(self.slate.sound_ns(self.sounds));
                out.push(Timed::Frame(self.slate.sound(at_ns)));
                self.sounds += 1;
            }
        }
        self.end_ns()
    }

    pub(super) fn end_ns(&self) -> i64 {
        let pictures_ns = self.pictures.saturating_mul(self.slate.0.picture_ns);
        self.from_ns.saturating_add(pictures_ns.max(self.slate.sound_ns(self.sounds)))
    }

    pub(super) fn next_at(&self) -> Instant {
        let at_ns = self.pictures.saturating_mul(self.slate.0.picture_ns);
        self.since + Duration::from_nanos(at_ns.unsigned_abs())
    }
}
