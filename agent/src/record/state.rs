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
use stagebox_media::frame::SECOND_NS;
use stagebox_media::{Epoch, Frame, Packet, Track, TrackConfig};

use super::details::{Gap, coding};
use super::open_file::{Configs, OpenFile, write};
use super::retained::Retained;

/// A file stays below what FAT32 can hold.
pub(super) const MAX_FILE_BYTES: u64 = 3_900_000_000;
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
    /// Where pictures are missing in it.
    pub(super) gaps: Vec<Gap>,
    /// Time of the stream of the frame that it was cut with.
    pub(super) cut_ns: i64,
}

/// What a file begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) header: Bytes,
    pub(super) epoch: Epoch,
    /// How the tracks are coded, in words.
    pub(super) video: Option<String>,
    pub(super) audio: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Open {
        file: FileId,
        opening: Opening,
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
        /// It can go on at once on another one.
        elsewhere: bool,
    },
    /// What was cut with a frame of this time is on disk.
    Written {
        cut_ns: i64,
    },
    /// All that was given is on disk.
    Settled,
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
    /// What may not be on disk yet, where there is another disk to go on with.
    retained: Option<Retained>,
}

impl State {
    /// One that `moves` goes on with another disk without losing a frame, and keeps in memory what that takes.
    pub(super) fn new(segment_s: u32, segment_bytes: Option<u64>, moves: bool) -> Self {
        let limits @ (segment_ns, segment_bytes) = limits(segment_s, segment_bytes);
        Self {
            phase: Phase::Idle,
            configs: Configs::default(),
            sound_since_ns: None,
            segment_ns,
            segment_bytes,
            limits,
            next_file: 1,
            retained: moves.then(Retained::default),
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

    /// The file that is being written, and the time in it of the newest frame.
    pub(super) fn position(&self) -> Option<(FileId, i64)> {
        let Phase::Writing { current, .. } = &self.phase else { return None };
        Some((current.id, current.latest_ns.saturating_sub(current.origin_ns).max(0)))
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
                self.retained.iter_mut().for_each(Retained::clear);
                self.phase = Phase::Waiting { error: None };
            }
            Input::Stop => self.leave(Phase::Idle, out),
            Input::Broken { error, elsewhere: true } => self.go_on(now, error, out),
            Input::Broken { error, .. } => self.fail(now, error),
            Input::Packet(packet) => self.give(packet, out),
            Input::Written { cut_ns } => {
                self.retained.iter_mut().for_each(|retained| retained.written(cut_ns));
            }
            Input::Settled if self.is_idle() => self.retained.iter_mut().for_each(Retained::clear),
            Input::Settled | Input::Start | Input::Tick => {}
        }
    }

    fn give(&mut self, packet: Packet, out: &mut Vec<Action>) {
        match packet {
            Packet::Config(config) => {
                self.retained.iter_mut().for_each(|retained| retained.configure(&config));
                self.configure(config, out);
            }
            Packet::Frame(frame) => {
                let enters = self.enters(&frame);
                self.take(&frame, enters, out);
                self.retain(&frame, enters);
            }
        }
    }

    /// Keeps a frame that went into a file until it is on disk.
    fn retain(&mut self, frame: &Frame, enters: bool) {
        let (Some(retained), Phase::Writing { .. }) = (&mut self.retained, &self.phase) else { return };
        let is_late = retained.newest_ns().is_none_or(|newest| frame.dts_ns - newest >= SECOND_NS);
        let begins = enters && (frame.track == Track::Video || is_late);
        let configs = begins.then(|| self.configs.video.iter().chain(&self.configs.audio).cloned().collect());
        retained.push(frame, configs);
    }

    /// Gives up what may not be on disk; nothing can be closed on a disk that takes nothing.
    fn fail(&mut self, now: Instant, error: String) {
        self.retained.iter_mut().for_each(Retained::clear);
        if !self.is_idle() {
            self.phase = Phase::Failed { error, retry_at: now + RETRY };
        }
    }

    /// Begins anew with all that may not be on disk, as if it had come just now; not for ever with the same.
    fn go_on(&mut self, now: Instant, error: String, out: &mut Vec<Action>) {
        let stopped = self.is_idle();
        let Some((configs, packets)) = self.retained.as_mut().and_then(Retained::take) else {
            return self.fail(now, error);
        };
        if packets.is_empty() {
            if self.is_writing() {
                self.phase = Phase::Waiting { error: None };
            }
            return;
        }
        let of = |track| configs.iter().find(|config| config.track == track).cloned();
        self.configs = Configs { video: of(Track::Video), audio: of(Track::Audio) };
        self.phase = Phase::Waiting { error: None };
        for packet in packets {
            self.give(packet, out);
        }
        if stopped {
            self.leave(Phase::Idle, out);
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

    /// Whether a file can begin with this frame.
    fn enters(&mut self, frame: &Frame) -> bool {
        match frame.track {
            Track::Video => frame.key && self.configs.video.is_some(),
            Track::Audio => self.is_sound_alone(frame),
        }
    }

    fn take(&mut self, frame: &Frame, enters: bool, out: &mut Vec<Action>) {
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
                let coded = |config: &Option<TrackConfig>| config.as_ref().and_then(coding);
                let (video, audio) = (coded(&self.configs.video), coded(&self.configs.audio));
                let opening = Opening { header: current.header(), epoch, video, audio };
                out.push(Action::Open { file: id, opening });
                current.begin(frame);
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
