//! One encoder's broadcast to an input, from its beginning to its end.

use std::time::Instant;

use bytes::Bytes;
use stagebox_media::{Codec, Frame, Track, TrackConfig};

use super::arrival::Arrival;
use super::cadence::Cadence;
use super::history::History;
use super::keys::Keys;
use super::level::LevelMeter;
use super::meter::Source;
use super::picture::{Picture, Size, is_disposable_b};
use super::recent::{Change, Changes, Facts, Recent, USUAL_OVER, usual_fps};
use super::sample::Flags;
use super::second::{Second, Standing};
use super::sound::Sound;
use super::warning::{Warning, Watch};
use crate::live::timeline::Now;

/// What is known of a broadcast while it lasts.
pub(super) struct Broadcast {
    pub(super) source: Source,
    pub(super) since_unix_ms: i64,
    began: Instant,
    video: Video,
    audio: Audio,
    watch: Watch,
    /// Whole seconds that it has lasted.
    age_s: u32,
}

#[derive(Default)]
struct Video {
    config: Option<Bytes>,
    picture: Option<Picture>,
    /// The last change of size.
    resized: Option<Change<Size>>,
    /// The last change of anything else.
    renewed: Option<Change<()>>,
    arrival: Arrival,
    cadence: Cadence,
    keys: Keys,
    /// The broadcast's age when the configuration came: rates of before say nothing.
    since_s: u32,
}

#[derive(Default)]
struct Audio {
    config: Option<Bytes>,
    sound: Option<Sound>,
    changed: Option<Change<Option<Sound>>>,
    arrival: Arrival,
    level: Option<LevelMeter>,
}

impl Broadcast {
    pub(super) fn new(now: Now, source: Source) -> Self {
        Self {
            source,
            since_unix_ms: now.unix_ms,
            began: now.instant,
            video: Video::default(),
            audio: Audio::default(),
            watch: Watch::default(),
            age_s: 0,
        }
    }

    /// Takes a configuration; one that is repeated changes nothing.
    pub(super) fn configure(&mut self, config: &TrackConfig) {
        match config.track {
            Track::Video if self.video.config.as_ref() != Some(&config.data) => {
                self.video.configure(config, self.age_s);
            }
            Track::Audio if self.audio.config.as_ref() != Some(&config.data) => {
                self.audio.configure(config, self.age_s);
            }
            Track::Video | Track::Audio => {}
        }
    }

    pub(super) fn frame(&mut self, now: Instant, frame: &Frame, second: &mut Second) {
        let since = now.saturating_duration_since(self.began);
        let at_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        match frame.track {
            Track::Video => self.video.frame(at_ns, frame, second),
            Track::Audio => self.audio.frame(at_ns, frame, second),
        }
    }

    /// What a sample says beside the second's own sums.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            key_interval_ms: self.video.keys.interval_ms(),
            size: self.video.picture.map(|picture| picture.size),
        }
    }

    /// Looks at the second that the history ends with.
    pub(super) fn look(&mut self, at_s: u32, is_whole: bool, history: &History, begins: usize) {
        if !is_whole {
            return;
        }
        self.age_s = self.age_s.saturating_add(1);
        let whole = self.age_s as usize;
        let seconds = history.seconds();
        let recent = Recent(seconds.iter().rev().take(whole.min(Recent::SECONDS)).copied().collect());
        let settled = self.age_s.saturating_sub(self.video.since_s) as usize;
        let rates = seconds.iter().rev().take(settled.min(USUAL_OVER)).map(|sample| sample.frames);
        let age_s = self.age_s;
        let changes = Changes {
            size: self.video.resized.filter(|change| change.is_new(age_s)),
            picture: self.video.renewed.filter(|change| change.is_new(age_s)),
            sound: self.audio.changed.filter(|change| change.is_new(age_s)),
        };
        let facts = Facts {
            recent: &recent,
            usual_fps: usual_fps(rates, self.video.cadence.grid_fps()),
            has_picture_track: self.video.config.is_some(),
            has_sound_track: self.audio.config.is_some(),
            picture: self.video.picture,
            changes,
            begins,
        };
        self.watch.look(at_s, &facts);
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning<'_>> {
        self.watch.warnings()
    }
}

impl Video {
    fn configure(&mut self, config: &TrackConfig, age_s: u32) {
        let before = self.picture.map(|picture| picture.size);
        self.picture = Picture::of(config);
        let after = self.picture.map(|picture| picture.size);
        if let Some((from, to)) = before.zip(after).filter(|(from, to)| from != to) {
            self.resized = Some(Change { from, to, at_s: age_s });
        } else if self.config.is_some() {
            self.renewed = Some(Change { from: (), to: (), at_s: age_s });
        }
        // The second that it comes in has pictures of both.
        self.since_s = if self.config.is_some() { age_s.saturating_add(1) } else { 0 };
        self.config = Some(config.data.clone());
        (self.cadence, self.keys) = (Cadence::default(), Keys::default());
    }

    fn frame(&mut self, at_ns: i64, frame: &Frame, second: &mut Second) {
        let arrived = self.arrival.take(at_ns, frame.dts_ns);
        second.video.take(frame.data.len(), arrived);
        second.step(self.cadence.take(frame.dts_ns));
        self.keys.take(frame.dts_ns, frame.key);
        second.flags.add(Flags::JUMPED, arrived.is_set_anew);
        second.flags.add(Flags::NO_HEADER, self.config.is_none());
        second.flags.add(Flags::REORDERED, frame.pts_ns != frame.dts_ns);
        if frame.codec == Codec::H264 && !second.flags.has(Flags::B_PICTURES) {
            second.flags.add(Flags::B_PICTURES, is_disposable_b(&frame.data));
        }
    }
}

impl Audio {
    fn configure(&mut self, config: &TrackConfig, age_s: u32) {
        let after = Sound::of(config);
        if self.config.is_some() {
            self.changed = Some(Change { from: self.sound, to: after, at_s: age_s });
        }
        (self.config, self.sound) = (Some(config.data.clone()), after);
        self.level = LevelMeter::of(config);
    }

    fn frame(&mut self, at_ns: i64, frame: &Frame, second: &mut Second) {
        let arrived = self.arrival.take(at_ns, frame.dts_ns);
        second.audio.take(frame.data.len(), arrived);
        second.flags.add(Flags::JUMPED, arrived.is_set_anew);
        second.flags.add(Flags::NO_HEADER, self.config.is_none());
        if frame.codec == Codec::Aac
            && let Some(level) = &mut self.level
            && !level.take(&frame.data, &mut second.sound)
        {
            self.level = None;
        }
    }
}
