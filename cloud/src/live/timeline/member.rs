//! One publisher's session, as the timeline knows it.

use std::time::{Duration, Instant};

use stagebox_media::{Epoch, Frame, Track, TrackConfig};

use super::InputId;
use super::gop::Gop;
use crate::event::Input;

/// A stream may name its second track this long after its first frame.
const TRACK_WAIT_NS: i64 = 1_000_000_000;

/// Inputs that are one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// All copies of one encoder's frames.
    Epoch(Epoch),
    /// An input that does not say whose frames they are.
    Alone(InputId),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: InputId,
    pub(super) role: Input,
    pub(super) video: Option<TrackConfig>,
    pub(super) audio: Option<TrackConfig>,
    /// A track's configuration that is in force from the next key frame on.
    next: Option<TrackConfig>,
    /// What arrived since its last key frame, while it is not shown.
    pub(super) gop: Gop,
    /// When it said what it sends.
    named_at: Option<Instant>,
    last_seen: Option<Instant>,
    /// By track.
    seen: [Option<Instant>; 2],
    good_since: Option<Instant>,
    /// There is nothing to see or to hear in what it sends.
    is_bad: bool,
    reached: [Option<i64>; 2],
}

impl Member {
    pub(super) fn new(id: InputId, role: Input) -> Self {
        Self {
            id,
            role,
            video: None,
            audio: None,
            next: None,
            gop: Gop::default(),
            named_at: None,
            last_seen: None,
            seen: [None; 2],
            good_since: None,
            is_bad: false,
            reached: [None; 2],
        }
    }

    /// Whose copies its frames are; nobody's before it has said what it sends.
    pub(super) fn group(&self) -> Option<Group> {
        let config = self.video.as_ref().or(self.audio.as_ref())?;
        Some(if config.epoch == Epoch::UNKNOWN { Group::Alone(self.id) } else { Group::Epoch(config.epoch) })
    }

    /// Takes a configuration; whether it is another one.
    pub(super) fn configure(&mut self, now: Instant, config: TrackConfig) -> bool {
        let before = self.group();
        let known = match config.track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        if known.as_ref() == Some(&config) {
            return false;
        }
        let (epoch, track) = (config.epoch, config.track);
        let is_replaced = known.replace(config).is_some();
        // What belongs to an earlier run of the encoder cannot be decoded with this one.
        for other in [&mut self.video, &mut self.audio] {
            if other.as_ref().is_some_and(|other| other.epoch != epoch) {
                *other = None;
            }
        }
        if is_replaced {
            self.gop.forget(track);
        }
        if self.group() != before {
            self.gop = Gop::default();
            self.reached = [None; 2];
            self.named_at = Some(now);
        }
        true
    }

    /// Takes a configuration that a decoder is told of with the next key frame only: until then the picture goes on.
    pub(super) fn announce(&mut self, config: TrackConfig) {
        let known = match config.track {
            Track::Video => &self.video,
            Track::Audio => &self.audio,
        };
        let next = Some(config).filter(|config| known.as_ref() != Some(config));
        if self.next != next {
            self.next = next;
            self.gop = Gop::default();
        }
    }

    /// The track of which there is a configuration for the next key frame.
    pub(super) fn announced(&self) -> Option<Track> {
        self.next.as_ref().map(|next| next.track)
    }

    /// What was announced is in force.
    pub(super) fn adopt(&mut self) {
        match self.next.take() {
            Some(next) if next.track == Track::Video => self.video = Some(next),
            Some(next) => self.audio = Some(next),
            None => {}
        }
    }

    /// Notes a frame; whether it is one that was announced.
    pub(super) fn heard(&mut self, now: Instant, frame: &Frame, loss: Duration) -> bool {
        let config = match frame.track {
            Track::Video => &self.video,
            Track::Audio => &self.audio,
        };
        let next = self.next.as_ref().filter(|next| next.track == frame.track);
        if next.or(config.as_ref()).is_none_or(|config| config.epoch != frame.epoch) {
            return false;
        }
        // Sound alone is no broadcast where there are to be pictures.
        let is_lead = frame.track == self.lead();
        let is_new = !self.is_alive(now, loss);
        if is_new && is_lead {
            self.good_since = Some(now);
            // What it sent before the pause is not to be seen after it.
            self.gop = Gop::default();
        }
        self.last_seen = Some(now);
        self.seen[slot(frame.track)] = Some(now);
        let reached = &mut self.reached[slot(frame.track)];
        *reached = (*reached).max(Some(frame.dts_ns));
        true
    }

    /// Keeps a frame until it is shown.
    pub(super) fn wait(&mut self, frame: Frame, seen: bool) {
        self.gop.push(frame, self.video.is_some(), seen);
    }

    /// Whether it may still bring a frame of a track from before this time.
    pub(super) fn may_bring(&self, now: Instant, loss: Duration, track: Track, dts_ns: i64) -> bool {
        let last_sign = self.last_seen.max(self.named_at);
        let is_there = last_sign.is_some_and(|at| now.saturating_duration_since(at) < loss);
        is_there && self.reached[slot(track)].is_none_or(|reached| reached < dts_ns)
    }

    /// When a frame of a track came last.
    pub(super) fn seen(&self, track: Track) -> Option<Instant> {
        self.seen[slot(track)]
    }

    fn lead(&self) -> Track {
        if self.video.is_some() { Track::Video } else { Track::Audio }
    }

    /// Says whether what it sends is worth nothing; it is good from when it is worth something again.
    pub(super) fn judge(&mut self, now: Instant, is_bad: bool) {
        if self.is_bad && !is_bad {
            self.good_since = Some(now);
        }
        self.is_bad = is_bad;
    }

    pub(super) fn is_bad(&self) -> bool {
        self.is_bad
    }

    /// Since when it has sent without a pause.
    pub(super) fn good_since(&self) -> Option<Instant> {
        self.good_since
    }

    pub(super) fn is_alive(&self, now: Instant, loss: Duration) -> bool {
        self.seen(self.lead()).is_some_and(|seen| now.saturating_duration_since(seen) < loss)
    }

    /// The track that a run can begin with now.
    pub(super) fn ready(&self, loss: Duration, now: Instant) -> Option<Track> {
        let for_long = self.good_since.is_some_and(|since| now.saturating_duration_since(since) >= loss);
        let waited = for_long || self.gop.length_ns() >= TRACK_WAIT_NS || self.gop.is_long();
        if self.gop.has(Track::Video) && (self.audio.is_some() || waited) {
            Some(Track::Video)
        } else if waited && self.video.is_none() && self.gop.has(Track::Audio) {
            Some(Track::Audio)
        } else {
            None
        }
    }
}

fn slot(track: Track) -> usize {
    usize::from(track == Track::Audio)
}
