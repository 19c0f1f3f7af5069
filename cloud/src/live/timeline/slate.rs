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
    silence: Option<Silence>,
}

/// A frame in which nothing is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) config: TrackConfig,
    pub(crate) frame: Bytes,
    /// In Hz.
    pub(crate) sample_rate: u32,
}

/// Samples in a frame of AAC.
const SAMPLES: i64 = 1024;

impl Slate {
    /// A clip; without pictures there is none.
    pub(crate) fn new(
        video: TrackConfig,
        pictures: Vec<Bytes>,
        picture_ns: i64,
        silence: Option<Silence>,
    ) -> Option<Self> {
        let silence = silence.filter(|silence| silence.sample_rate > 0);
        let makes_sense = !pictures.is_empty() && picture_ns > 0;
        makes_sense.then(|| Self(Arc::new(Clip { video, pictures, picture_ns, silence })))
    }

    pub(crate) fn video(&self) -> &TrackConfig {
        &self.0.video
    }

    pub(crate) fn audio(&self) -> Option<&TrackConfig> {
        self.0.silence.as_ref().map(|silence| &silence.config)
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

    /// The sound with this number, of a run that begins at a time; none where there is no sound.
    fn sound(&self, number: i64, from_ns: i64) -> Option<Frame> {
        let silence = self.0.silence.as_ref()?;
        let at_ns = from_ns.saturating_add(self.sound_ns(number)?);
        Some(Frame {
            track: Track::Audio,
            codec: silence.config.codec,
            epoch: silence.config.epoch,
            pts_ns: at_ns,
            dts_ns: at_ns,
            key: true,
            data: silence.frame.clone(),
        })
    }

    fn sound_ns(&self, number: i64) -> Option<i64> {
        let rate = i64::from(self.0.silence.as_ref()?.sample_rate);
        Some(number.saturating_mul(SAMPLES).saturating_mul(1_000_000_000) / rate)
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
            while self.slate.sound_ns(self.sounds).is_some_and(|at_ns| at_ns < until_ns) {
                out.extend(self.slate.sound(self.sounds, self.from_ns).map(Timed::Frame));
                self.sounds += 1;
            }
        }
        self.end_ns()
    }

    pub(super) fn end_ns(&self) -> i64 {
        let pictures_ns = self.pictures.saturating_mul(self.slate.0.picture_ns);
        self.from_ns.saturating_add(pictures_ns.max(self.slate.sound_ns(self.sounds).unwrap_or(0)))
    }

    pub(super) fn next_at(&self) -> Instant {
        let at_ns = self.pictures.saturating_mul(self.slate.0.picture_ns);
        self.since + Duration::from_nanos(at_ns.unsigned_abs())
    }
}
