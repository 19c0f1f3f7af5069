//! Chooses among an event's inputs and lays their frames on one unbroken timeline.
//!
//! ```text
//!            key frame            input gone, time gap, new configuration
//!  Idle ───────────────▶ Running ───────────────────────────────────────▶ Idle
//!    ▲                                                                      │
//!    └──────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A run is a stretch that a decoder plays without being told anything new.
//! The next run begins where the last one ended, so decoding times never fall
//! and never jump, however long nobody sent anything.

use std::time::{Duration, Instant};

use stagebox_media::{Epoch, Frame, Packet, Track, TrackConfig};

/// A hole in the video longer than this ends the run.
const MAX_HOLE_NS: i64 = 1_000_000_000;
/// A stream may name its second track this long after its first frame.
const TRACK_WAIT_NS: i64 = 1_000_000_000;
/// What a single frame lasts when nothing tells.
const USUAL_FRAME_NS: i64 = 33_333_333;
/// No frame of sound lasts longer.
const MAX_SOUND_NS: i64 = 100_000_000;
/// Frames kept while waiting for the other track; more would be a hostile stream.
const MAX_WAITING: usize = 600;
/// An input that sends nothing gives way to one that does.
const SILENCE: Duration = Duration::from_secs(2);

/// Names one publisher's session; never used again after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InputId(pub(crate) u64);

/// What comes out: runs, each of frames on the event's own timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timed {
    Begin(RunStart),
    Frame(Frame),
    End,
}

/// How a run can be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunStart {
    pub(crate) video: Option<TrackConfig>,
    pub(crate) audio: Option<TrackConfig>,
    /// Wall-clock time of the run's first frame.
    pub(crate) start_unix_ms: i64,
}

/// The clocks, as the driver read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) unix_ms: i64,
}

#[derive(Debug)]
struct Input {
    id: InputId,
    video: Option<TrackConfig>,
    audio: Option<TrackConfig>,
    /// What arrived since its last key frame, while it cannot begin a run yet.
    waiting: Vec<Frame>,
    last_seen: Instant,
}

#[derive(Debug)]
enum Running {
    Idle,
    Run { input: InputId, epoch: Epoch, lead: Track, offset_ns: i64, video: Cursor, audio: Cursor },
}

/// How far a track has come, in the input's own times.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    last_dts_ns: Option<i64>,
    duration_ns: i64,
}

impl Cursor {
    /// Takes a frame that is later than the last one.
    fn accept(&mut self, dts_ns: i64) -> bool {
        match self.last_dts_ns {
            Some(last) if dts_ns <= last => false,
            last => {
                self.duration_ns = last.map_or(self.duration_ns, |last| dts_ns.saturating_sub(last));
                self.last_dts_ns = Some(dts_ns);
                true
            }
        }
    }

    /// Whether `dts_ns` is the very next frame, as far as the last two tell.
    fn continues(&self, dts_ns: i64) -> bool {
        let last = self.last_dts_ns.filter(|_| self.duration_ns > 0);
        last.is_some_and(|last| dts_ns.saturating_sub(last) <= self.duration_ns + self.duration_ns / 2)
    }

    fn end_ns(&self) -> Option<i64> {
        let duration_ns = if self.duration_ns > 0 { self.duration_ns } else { USUAL_FRAME_NS };
        self.last_dts_ns.map(|last| last.saturating_add(duration_ns))
    }
}

/// The pure core: packets of several inputs in, runs of one timeline out.
#[derive(Debug)]
pub(crate) struct Timeline {
    inputs: Vec<Input>,
    running: Running,
    /// Where the next run begins.
    end_ns: i64,
    /// How far the last run came, if its encoder can be told from others.
    last_run: Option<(Epoch, i64)>,
}

impl Timeline {
    /// Begins, or goes on after a restart, at `end_ns`.
    pub(crate) fn new(end_ns: i64) -> Self {
        Self { inputs: Vec::new(), running: Running::Idle, end_ns, last_run: None }
    }

    pub(crate) fn join(&mut self, now: Now, id: InputId) {
        self.inputs.push(Input { id, video: None, audio: None, waiting: Vec::new(), last_seen: now.instant });
    }

    /// An input has gone; another one of the same epoch takes over without a seam.
    pub(crate) fn leave(&mut self, id: InputId, out: &mut Vec<Timed>) {
        self.inputs.retain(|input| input.id != id);
        let Running::Run { input, epoch, .. } = &mut self.running else { return };
        if *input != id {
            return;
        }
        match self.inputs.iter().find(|other| *epoch != Epoch::UNKNOWN && other.epoch() == *epoch) {
            Some(heir) => *input = heir.id,
            None => self.end_run(out),
        }
    }

    pub(crate) fn handle(&mut self, now: Now, id: InputId, packet: Packet, out: &mut Vec<Timed>) {
        let Some(input) = self.inputs.iter_mut().find(|input| input.id == id) else { return };
        input.last_seen = now.instant;
        match packet {
            Packet::Config(config) => self.configure(id, config, out),
            Packet::Frame(frame) => self.frame(now, id, frame, out),
        }
    }

    fn configure(&mut self, id: InputId, config: TrackConfig, out: &mut Vec<Timed>) {
        let Some(input) = self.inputs.iter_mut().find(|input| input.id == id) else { return };
        let known = match config.track {
            Track::Video => &mut input.video,
            Track::Audio => &mut input.audio,
        };
        let changed = known.as_ref().is_none_or(|known| *known != config);
        *known = Some(config);
        if changed && matches!(self.running, Running::Run { input, .. } if input == id) {
            self.end_run(out);
        }
    }

    fn frame(&mut self, now: Now, id: InputId, frame: Frame, out: &mut Vec<Timed>) {
        let Running::Run { input: active, epoch, .. } = self.running else {
            return self.wait_for_start(now, id, frame, out);
        };
        if active == id {
            return self.go_on(now, id, frame, out);
        }
        let silent = self
            .inputs
            .iter()
            .find(|input| input.id == active)
            .is_none_or(|input| now.instant.saturating_duration_since(input.last_seen) > SILENCE);
        if epoch != Epoch::UNKNOWN && frame.epoch == epoch {
            if let (true, Running::Run { input, .. }) = (silent, &mut self.running) {
                *input = id;
            }
            return self.go_on(now, id, frame, out);
        }
        if silent {
            self.end_run(out);
            self.wait_for_start(now, id, frame, out);
        }
    }

    /// The next frame of the running run, or the reason to end it.
    fn go_on(&mut self, now: Now, id: InputId, frame: Frame, out: &mut Vec<Timed>) {
        let Running::Run { epoch, lead, offset_ns, video, audio, input } = &mut self.running else { return };
        let lead_dts_ns = if *lead == Track::Video { video.last_dts_ns } else { audio.last_dts_ns };
        let cursor = if frame.track == Track::Video { video } else { audio };
        let leaps =
            |from: Option<i64>| from.is_some_and(|from| frame.dts_ns.saturating_sub(from) > MAX_HOLE_NS);
        if frame.track != *lead && leaps(lead_dts_ns) && leaps(cursor.last_dts_ns) {
            // The lead will follow and begin another run: this belongs to that one, or to nothing.
            return;
        }
        if *input != id {
            // The other copy of the same encoder fills in what is due next, and never leaps ahead.
            if cursor.continues(frame.dts_ns) && cursor.accept(frame.dts_ns) {
                out.push(Timed::Frame(shift(frame, *offset_ns)));
            }
            return;
        }
        let last = cursor.last_dts_ns.filter(|_| frame.track == *lead);
        let jump_ns = last.map_or(0, |last| frame.dts_ns.saturating_sub(last));
        // Within a known epoch an older frame is a copy that comes late, not a new timeline.
        let back = *epoch == Epoch::UNKNOWN && jump_ns < -MAX_HOLE_NS;
        if jump_ns > MAX_HOLE_NS || back || frame.epoch != *epoch {
            self.end_run(out);
            return self.wait_for_start(now, id, frame, out);
        }
        // Sound is timed by counting, so a sender may be sloppy about it.
        let repeats = frame.track == Track::Audio
            && *epoch == Epoch::UNKNOWN
            && cursor.last_dts_ns == Some(frame.dts_ns);
        if repeats || cursor.accept(frame.dts_ns) {
            out.push(Timed::Frame(shift(frame, *offset_ns)));
        }
    }

    /// Collects an input's frames until they can begin a run.
    fn wait_for_start(&mut self, now: Now, id: InputId, frame: Frame, out: &mut Vec<Timed>) {
        let Some(input) = self.inputs.iter_mut().find(|input| input.id == id) else { return };
        let seen =
            self.last_run.is_some_and(|(epoch, dts_ns)| epoch == frame.epoch && frame.dts_ns <= dts_ns);
        let video_waits = input.waiting.iter().any(|waiting| waiting.track == Track::Video);
        let starts = frame.key && !seen && (frame.track == Track::Video || input.video.is_none());
        if starts && frame.track == Track::Video && !video_waits {
            input.waiting.retain(|waiting| waiting.track == Track::Audio && waiting.pts_ns >= frame.pts_ns);
        }
        if !starts && input.waiting.is_empty() {
            return;
        }
        let configured = match frame.track {
            Track::Video => input.video.is_some(),
            Track::Audio => input.audio.is_some(),
        };
        if configured && input.waiting.len() < MAX_WAITING {
            input.waiting.push(frame);
        }
        let Some(lead) = input.ready() else { return };
        let frames = std::mem::take(&mut input.waiting);
        let Some(first) = frames.iter().find(|frame| frame.track == lead) else { return };
        let (first_pts_ns, first_dts_ns, epoch) = (first.pts_ns, first.dts_ns, first.epoch);
        out.push(Timed::Begin(RunStart {
            video: input.video.clone(),
            audio: input.audio.clone(),
            start_unix_ms: now.unix_ms,
        }));
        self.running = Running::Run {
            input: id,
            epoch,
            lead,
            offset_ns: self.end_ns.saturating_sub(first_dts_ns),
            video: Cursor::default(),
            audio: Cursor::default(),
        };
        for frame in frames {
            if frame.track == lead || frame.pts_ns >= first_pts_ns {
                self.go_on(now, id, frame, out);
            }
        }
    }

    fn end_run(&mut self, out: &mut Vec<Timed>) {
        let Running::Run { offset_ns, video, audio, lead, epoch, .. } = &self.running else { return };
        let lead_dts_ns = if *lead == Track::Video { video.last_dts_ns } else { audio.last_dts_ns };
        self.last_run = lead_dts_ns.filter(|_| *epoch != Epoch::UNKNOWN).map(|dts_ns| (*epoch, dts_ns));
        let (lead, other) = if *lead == Track::Video { (video, audio) } else { (audio, video) };
        if let Some(lead_end_ns) = lead.end_ns() {
            // What the other track has beyond the lead's end is dropped, but for the frame that crosses it.
            let beyond_ns = other.end_ns().map_or(0, |end| end.saturating_sub(lead_end_ns));
            let end_ns =
                lead_end_ns.saturating_add(beyond_ns.clamp(0, other.duration_ns.clamp(0, MAX_SOUND_NS)));
            self.end_ns = self.end_ns.max(end_ns.saturating_add(*offset_ns));
        }
        self.running = Running::Idle;
        out.push(Timed::End);
    }
}

impl Input {
    fn epoch(&self) -> Epoch {
        self.video.as_ref().or(self.audio.as_ref()).map_or(Epoch::UNKNOWN, |config| config.epoch)
    }

    /// The track that a run can begin with now.
    fn ready(&self) -> Option<Track> {
        let (first, last) = (self.waiting.first()?, self.waiting.last()?);
        let waited =
            last.dts_ns.saturating_sub(first.dts_ns) >= TRACK_WAIT_NS || self.waiting.len() >= MAX_WAITING;
        let video = self.waiting.iter().any(|frame| frame.track == Track::Video);
        if video && (self.audio.is_some() || waited) {
            Some(Track::Video)
        } else if waited && self.video.is_none() {
            Some(Track::Audio)
        } else {
            None
        }
    }
}

fn shift(mut frame: Frame, offset_ns: i64) -> Frame {
    frame.pts_ns = frame.pts_ns.saturating_add(offset_ns);
    frame.dts_ns = frame.dts_ns.saturating_add(offset_ns);
    frame
}

#[cfg(test)]
mod tests;
