//! A file as the rules see it: which frames go into it, when a fragment of it is cut, and what lacks in it.

use bytes::Bytes;
use stagebox_media::cmaf::{CmafError, MovieFragment, MovieWriter};
use stagebox_media::frame::SECOND_NS;
use stagebox_media::{Frame, Track, TrackConfig};

use super::details::Gap;
use super::gaps::Continuity;
use super::state::{Action, Append, FileId};

/// Frames are cut into a fragment when they last this long: with the frame that
/// completes it and the write itself this stays near half a second.
const FRAGMENT_NS: i64 = 450_000_000;
/// A stream whose time stands still is cut by size.
const FRAGMENT_BYTES: usize = 8 * 1024 * 1024;
/// How long the sound before a split may come after the picture.
const TAIL_NS: i64 = SECOND_NS;

#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) id: FileId,
    movie: MovieWriter,
    pub(super) configs: Configs,
    /// Time of the stream that is the file's zero.
    pub(super) origin_ns: i64,
    pub(super) latest_ns: i64,
    continuity: Continuity,
    gaps: Vec<Gap>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Configs {
    pub(super) video: Option<TrackConfig>,
    pub(super) audio: Option<TrackConfig>,
}

/// Puts a frame into the file it belongs to.
pub(super) fn write(
    current: &mut OpenFile,
    tail: &mut Option<Box<OpenFile>>,
    frame: &Frame,
    configs: &Configs,
    out: &mut Vec<Action>,
) -> Result<(), CmafError> {
    if tail.is_some() {
        if frame.track == Track::Audio && frame.pts_ns < current.origin_ns {
            if let Some(tail) = tail {
                return tail.push(frame, out);
            }
        } else if frame.track == Track::Audio || frame.dts_ns - current.origin_ns >= TAIL_NS {
            out.extend(tail.take().map(|tail| tail.close()));
        }
    }
    let known = match frame.track {
        Track::Video => current.configs.video.is_some(),
        // sound of another configuration waits for the next file, and sound from before the first picture has no place
        Track::Audio => {
            current.configs.audio.is_some()
                && current.configs.audio == configs.audio
                && frame.pts_ns >= current.origin_ns
        }
    };
    if known { current.push(frame, out) } else { Ok(()) }
}

impl OpenFile {
    pub(super) fn new(id: FileId, configs: Configs, first: &Frame) -> Result<Self, CmafError> {
        let origin_ns = first.pts_ns.min(first.dts_ns);
        let tracks: Vec<_> = configs.video.iter().chain(&configs.audio).cloned().collect();
        let movie = MovieWriter::new(&tracks, origin_ns)?;
        let (latest_ns, continuity, gaps) = (origin_ns, Continuity::default(), Vec::new());
        Ok(Self { id, movie, configs, origin_ns, latest_ns, continuity, gaps })
    }

    pub(super) fn header(&self) -> Bytes {
        self.movie.header()
    }

    /// Takes the frame that it begins with.
    pub(super) fn begin(&mut self, frame: &Frame) {
        // the movie has this track, and one frame is within every limit
        let _ = self.movie.push(frame);
        self.note(frame);
    }

    /// Whether `frame`, at which a file can begin, is to begin a new one.
    pub(super) fn is_over(
        &self,
        frame: &Frame,
        configs: &Configs,
        segment_ns: i64,
        segment_bytes: u64,
    ) -> bool {
        self.configs != *configs
            || frame.dts_ns.saturating_sub(self.origin_ns) >= segment_ns
            || self.movie.bytes() >= segment_bytes
    }

    fn push(&mut self, frame: &Frame, out: &mut Vec<Action>) -> Result<(), CmafError> {
        self.movie.push(frame)?;
        self.note(frame);
        if self.movie.pending_ns() >= FRAGMENT_NS || self.movie.pending_bytes() >= FRAGMENT_BYTES {
            let fragment = self.movie.cut();
            let duration_ns = self.movie.duration_ns();
            let append = fragment.map(|fragment| self.append(fragment, duration_ns));
            out.extend(append.map(|append| Action::Append { file: self.id, append }));
        }
        Ok(())
    }

    /// Looks at a frame that the movie has taken.
    fn note(&mut self, frame: &Frame) {
        self.latest_ns = self.latest_ns.max(frame.pts_ns);
        // Without pictures the sound is all that can be missing.
        if frame.track == Track::Video || self.configs.video.is_none() {
            self.gaps.extend(self.continuity.look(frame.dts_ns - self.origin_ns));
        }
    }

    fn append(&mut self, fragment: MovieFragment, duration_ns: i64) -> Append {
        let MovieFragment { data, video_frames, audio_frames } = fragment;
        let (gaps, cut_ns) = (std::mem::take(&mut self.gaps), self.latest_ns);
        Append { data, video_frames, audio_frames, duration_ns, gaps, cut_ns }
    }

    pub(super) fn close(mut self) -> Action {
        let (gaps, cut_ns) = (std::mem::take(&mut self.gaps), self.latest_ns);
        let end = self.movie.finish();
        let last = end.last.map(|fragment| {
            let MovieFragment { data, video_frames, audio_frames } = fragment;
            Append { data, video_frames, audio_frames, duration_ns: end.duration_ns, gaps, cut_ns }
        });
        Action::Close { file: self.id, last, tables: end.tables, header: end.header }
    }
}
