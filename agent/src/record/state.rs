//! The recorder's rules: when a file begins, when it is cut and when it ends.
//!
//! ```text
//!          Start                  keyframe
//!   Idle ─────────▶ Waiting ────────────────▶ Writing ──┐ keyframe after
//!    ▲                │ ▲                        │ ▲ └──┘ segment_s or size: new file
//!    │ Stop           │ │ retry_at  Broken       │ │
//!    └────────────────┴─┴──────── Failed ◀───────┘ │
//!                                    └─ new configuration: Waiting
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use stagebox_media::cmaf::{CmafError, MovieFragment, MovieWriter};
use stagebox_media::frame::SECOND_NS;
use stagebox_media::{Epoch, Frame, Packet, Track, TrackConfig};

/// Frames are cut into a fragment when they last this long: with the frame that
/// completes it and the write itself this stays near half a second.
const FRAGMENT_NS: i64 = 450_000_000;
/// A stream whose time stands still is cut by size.
const FRAGMENT_BYTES: usize = 8 * 1024 * 1024;
/// A file stays below what FAT32 can hold.
pub(super) const MAX_FILE_BYTES: u64 = 3_900_000_000;
/// How long the sound before a split may come after the picture.
const TAIL_NS: i64 = SECOND_NS;
/// Sound that comes without a picture for so long is a stream of sound alone: its file begins without one.
const SOUND_ALONE_NS: i64 = SECOND_NS;
/// After a failure to write.
const RETRY: Duration = Duration::from_secs(2);

/// A file, for as long as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u64);

/// Bytes to append, and what the file holds with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Append {
    pub(super) data: Bytes,
    pub(super) video_frames: u32,
    pub(super) audio_frames: u32,
    /// Of the whole file up to here.
    pub(super) duration_ns: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Open {
        file: FileId,
        header: Bytes,
        epoch: Epoch,
    },
    Append {
        file: FileId,
        append: Append,
    },
    /// `header` replaces the first bytes of the file once `tables` are at its end: it is an ordinary MP4 then.
    Close {
        file: FileId,
        last: Option<Append>,
        tables: Bytes,
        header: Bytes,
    },
}

#[derive(Debug)]
pub(super) enum Input {
    Start,
    Stop,
    Packet(Packet),
    /// The disk did not take it; what was written before is on disk.
    Broken {
        error: String,
    },
    Tick,
}

/// What the recorder is about; the variants hold what belongs to them.
#[derive(Debug)]
enum Phase {
    Idle,
    /// Until a keyframe; with the reason why the last one began no file.
    Waiting {
        error: Option<String>,
    },
    Writing {
        current: Box<OpenFile>,
        tail: Option<Box<OpenFile>>,
    },
    Failed {
        error: String,
        retry_at: Instant,
    },
}

#[derive(Debug)]
struct OpenFile {
    id: FileId,
    movie: MovieWriter,
    configs: Configs,
    /// Time of the stream that is the file's zero.
    origin_ns: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Configs {
    video: Option<TrackConfig>,
    audio: Option<TrackConfig>,
}

#[derive(Debug)]
pub(super) struct State {
    phase: Phase,
    configs: Configs,
    /// Since when there is sound and no sign of a picture, on the stream's timeline.
    sound_since_ns: Option<i64>,
    segment_ns: i64,
    segment_bytes: u64,
    /// What holds from the next file on: how long it is, and how large.
    limits: (i64, u64),
    next_file: u64,
}

impl State {
    pub(super) fn new(segment_s: u32, segment_bytes: Option<u64>) -> Self {
        let limits @ (segment_ns, segment_bytes) = limits(segment_s, segment_bytes);
        Self {
            phase: Phase::Idle,
            configs: Configs::default(),
            sound_since_ns: None,
            segment_ns,
            segment_bytes,
            limits,
            next_file: 1,
        }
    }

    /// Files are to end after so much, from the next one on.
    pub(super) fn set_limits(&mut self, segment_s: u32, segment_bytes: Option<u64>) {
        self.limits = limits(segment_s, segment_bytes);
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    pub(super) fn is_writing(&self) -> bool {
        matches!(self.phase, Phase::Writing { .. })
    }

    /// Why it does not record although it should.
    pub(super) fn error(&self) -> Option<&str> {
        match &self.phase {
            Phase::Failed { error, .. } | Phase::Waiting { error: Some(error) } => Some(error),
            _ => None,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Failed { retry_at, .. } => Some(retry_at),
            _ => None,
        }
    }

    pub(super) fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        if let Phase::Failed { error, retry_at } = &mut self.phase
            && now >= *retry_at
        {
            self.phase = Phase::Waiting { error: Some(std::mem::take(error)) };
        }
        match input {
            Input::Start if self.is_idle() => {
                self.configs = Configs::default();
                self.sound_since_ns = None;
                self.phase = Phase::Waiting { error: None };
            }
            Input::Stop => self.leave(Phase::Idle, out),
            Input::Broken { error } if !self.is_idle() => {
                // nothing can be closed on a disk that takes nothing
                self.phase = Phase::Failed { error, retry_at: now + RETRY };
            }
            Input::Packet(Packet::Config(config)) => self.configure(config, out),
            Input::Packet(Packet::Frame(frame)) => self.take(&frame, out),
            Input::Start | Input::Broken { .. } | Input::Tick => {}
        }
    }

    /// Closes what is open.
    fn leave(&mut self, next: Phase, out: &mut Vec<Action>) {
        if let Phase::Writing { current, tail } = std::mem::replace(&mut self.phase, next) {
            out.extend(tail.map(|tail| tail.close()));
            out.push(current.close());
        }
    }

    fn configure(&mut self, config: TrackConfig, out: &mut Vec<Action>) {
        match config.track {
            Track::Video => self.configs.video = Some(config),
            Track::Audio => self.configs.audio = Some(config),
        }
        // new sound waits for the next keyframe, new pictures begin with one
        if let Phase::Writing { current, .. } = &self.phase
            && current.configs.video != self.configs.video
        {
            self.leave(Phase::Waiting { error: None }, out);
        }
    }

    fn take(&mut self, frame: &Frame, out: &mut Vec<Action>) {
        let enters = match frame.track {
            Track::Video => frame.key && self.configs.video.is_some(),
            Track::Audio => self.is_sound_alone(frame),
        };
        match &mut self.phase {
            Phase::Waiting { .. } if enters => self.begin(frame, None, out),
            Phase::Idle | Phase::Waiting { .. } | Phase::Failed { .. } => {}
            Phase::Writing { current, tail } => {
                if enters && current.is_over(frame, &self.configs, self.segment_ns, self.segment_bytes) {
                    out.extend(tail.take().map(|tail| tail.close()));
                    let Phase::Writing { current, .. } =
                        std::mem::replace(&mut self.phase, Phase::Waiting { error: None })
                    else {
                        return;
                    };
                    self.begin(frame, Some(current), out);
                } else if let Err(error) = write(current, tail, frame, &self.configs, out) {
                    self.leave(Phase::Waiting { error: Some(error.to_string()) }, out);
                }
            }
        }
    }

    /// Whether no picture is to be expected beside this sound.
    fn is_sound_alone(&mut self, frame: &Frame) -> bool {
        if self.configs.video.is_some() || self.configs.audio.is_none() {
            return false;
        }
        let since = *self.sound_since_ns.get_or_insert(frame.pts_ns);
        frame.pts_ns.saturating_sub(since) >= SOUND_ALONE_NS
    }

    /// Begins a file with a keyframe; the one before goes on until its sound is complete.
    fn begin(&mut self, frame: &Frame, before: Option<Box<OpenFile>>, out: &mut Vec<Action>) {
        let same_sound = before.as_ref().is_some_and(|before| before.configs.audio == self.configs.audio);
        let (tail, ended) = if same_sound && frame.track == Track::Video && self.configs.audio.is_some() {
            (before, None)
        } else {
            (None, before)
        };
        out.extend(ended.map(|ended| ended.close()));
        let id = FileId(self.next_file);
        match OpenFile::new(id, self.configs.clone(), frame) {
            Ok(mut current) => {
                self.next_file += 1;
                (self.segment_ns, self.segment_bytes) = self.limits;
                let epoch = frame.epoch;
                out.push(Action::Open { file: id, header: current.movie.header(), epoch });
                // the movie has this track, and one frame is within every limit
                let _ = current.movie.push(frame);
                self.phase = Phase::Writing { current: Box::new(current), tail };
            }
            Err(error) => {
                out.extend(tail.map(|tail| tail.close()));
                self.phase = Phase::Waiting { error: Some(format!("cannot record this stream: {error}")) };
            }
        }
    }
}

/// How long a file may be, and how large.
fn limits(segment_s: u32, segment_bytes: Option<u64>) -> (i64, u64) {
    let bytes = segment_bytes.unwrap_or(MAX_FILE_BYTES).min(MAX_FILE_BYTES);
    (i64::from(segment_s.max(1)) * SECOND_NS, bytes)
}

/// Puts a frame into the file it belongs to.
fn write(
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
    fn new(id: FileId, configs: Configs, first: &Frame) -> Result<Self, CmafError> {
        let origin_ns = first.pts_ns.min(first.dts_ns);
        let tracks: Vec<_> = configs.video.iter().chain(&configs.audio).cloned().collect();
        Ok(Self { id, movie: MovieWriter::new(&tracks, origin_ns)?, configs, origin_ns })
    }

    /// Whether `frame`, at which a file can begin, is to begin a new one.
    fn is_over(&self, frame: &Frame, configs: &Configs, segment_ns: i64, segment_bytes: u64) -> bool {
        self.configs != *configs
            || frame.dts_ns.saturating_sub(self.origin_ns) >= segment_ns
            || self.movie.bytes() >= segment_bytes
    }

    fn push(&mut self, frame: &Frame, out: &mut Vec<Action>) -> Result<(), CmafError> {
        self.movie.push(frame)?;
        if self.movie.pending_ns() >= FRAGMENT_NS || self.movie.pending_bytes() >= FRAGMENT_BYTES {
            let fragment = self.movie.cut();
            let duration_ns = self.movie.duration_ns();
            let append = fragment.map(|fragment| Append::new(fragment, duration_ns));
            out.extend(append.map(|append| Action::Append { file: self.id, append }));
        }
        Ok(())
    }

    fn close(self) -> Action {
        let end = self.movie.finish();
        let last = end.last.map(|fragment| Append::new(fragment, end.duration_ns));
        Action::Close { file: self.id, last, tables: end.tables, header: end.header }
    }
}

impl Append {
    fn new(fragment: MovieFragment, duration_ns: i64) -> Self {
        let MovieFragment { data, video_frames, audio_frames } = fragment;
        Self { data, video_frames, audio_frames, duration_ns }
    }
}
