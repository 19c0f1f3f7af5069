//! What an input has sent since its last key frame: another source can begin with it at once.

use stagebox_media::{Frame, Track};

use super::cursor::MAX_HOLE_NS;

/// Frames that are kept; a group of pictures that is longer cannot be begun with.
const MAX_FRAMES: usize = 2_000;
/// Bytes that are kept.
const MAX_BYTES: usize = 48 * 1024 * 1024;

/// The newest group of pictures, with its sound.
#[derive(Debug, Default)]
pub(super) struct Gop {
    frames: Vec<Frame>,
    bytes: usize,
    has_video: bool,
    just_begun: bool,
    /// The last decoding time of each track.
    last_ns: [Option<i64>; 2],
}

impl Gop {
    /// Takes a frame in; `has_video_track` tells that only a picture can begin.
    pub(super) fn push(&mut self, frame: Frame, has_video_track: bool, seen: bool) {
        let last_ns = self.last_ns[usize::from(frame.track == Track::Audio)].replace(frame.dts_ns);
        if last_ns.is_some_and(|last| frame.dts_ns.saturating_sub(last).saturating_abs() > MAX_HOLE_NS) {
            // Its clock was set anew: what came before belongs to another one.
            *self = Self::default();
            self.last_ns[usize::from(frame.track == Track::Audio)] = Some(frame.dts_ns);
        }
        let starts = frame.key && !seen && (frame.track == Track::Video || !has_video_track);
        self.just_begun = starts && frame.track == Track::Video;
        if self.just_begun {
            self.frames.retain(|kept| kept.track == Track::Audio && kept.pts_ns >= frame.pts_ns);
            self.bytes = self.frames.iter().map(|kept| kept.data.len()).sum();
            self.has_video = true;
        }
        // Sound may come before the picture that it belongs to.
        let may_come_first = starts || (frame.track == Track::Audio && !seen);
        if self.frames.is_empty() && !may_come_first {
            return;
        }
        self.bytes += frame.data.len();
        self.frames.push(frame);
        if self.frames.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            self.shorten();
        }
    }

    /// Without a picture, the older half of the sound goes; with one, nothing of it can be begun with.
    fn shorten(&mut self) {
        if self.has_video {
            *self = Self::default();
        } else {
            self.frames.drain(..self.frames.len() / 2);
            self.bytes = self.frames.iter().map(|kept| kept.data.len()).sum();
        }
    }

    /// Its frames of a track are of no use any more.
    pub(super) fn forget(&mut self, track: Track) {
        if track == Track::Video {
            *self = Self::default();
        } else {
            self.frames.retain(|kept| kept.track != track);
            self.bytes = self.frames.iter().map(|kept| kept.data.len()).sum();
        }
    }

    /// Whether the newest frame is the picture that it begins with.
    pub(super) fn has_just_begun(&self) -> bool {
        self.just_begun
    }

    pub(super) fn has(&self, track: Track) -> bool {
        if track == Track::Video { self.has_video } else { !self.frames.is_empty() }
    }

    /// How long it is, in decoding time.
    pub(super) fn length_ns(&self) -> i64 {
        let first = self.frames.iter().map(|frame| frame.dts_ns).min();
        let last = self.frames.iter().map(|frame| frame.dts_ns).max();
        first.zip(last).map_or(0, |(first, last)| last.saturating_sub(first))
    }

    /// How much of it there is, for choosing among copies.
    pub(super) fn reach(&self) -> (usize, i64) {
        (self.frames.len(), self.length_ns())
    }

    pub(super) fn is_long(&self) -> bool {
        self.frames.len() >= MAX_FRAMES / 4
    }

    /// The first frame of a track.
    pub(super) fn first(&self, track: Track) -> Option<&Frame> {
        self.frames.iter().find(|frame| frame.track == track)
    }

    pub(super) fn take(&mut self) -> Vec<Frame> {
        std::mem::take(self).frames
    }
}

/// Notices in a sequence of frames that their encoder's clock was set back.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The last decoding time of the lead, and of the other track.
    last_ns: [Option<i64>; 2],
    was_set_back: bool,
}

impl Clock {
    /// Whether it was before this frame, or is with it, since the lead began.
    pub(super) fn was_set_back(&mut self, frame: &Frame, lead: Track) -> bool {
        let last_ns = self.last_ns[usize::from(frame.track != lead)].replace(frame.dts_ns);
        self.was_set_back |= self.last_ns[0].is_some() && last_ns.is_some_and(|last| frame.dts_ns < last);
        self.was_set_back
    }
}
