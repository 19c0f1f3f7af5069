//! What the packager makes of a timeline, read back: every frame once, segments and parts as long as they may be.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use stagebox_media::cmaf::CmafReader;
use stagebox_media::{Frame, Packet, Track};

use super::encoder::Name;
use super::worker::SMALL;
use crate::live::lane::Packaged;
use crate::live::rendition::Rendition;
use crate::live::segment::Segment;
use crate::live::timeline::{RunStart, Timed};

/// Ticks of 1/90000 s, rounded.
const TICK_NS: i64 = 20_000;
/// Sound is counted in samples while its times are near to that.
const SOUND_NS: i64 = 45_000_000;
/// For how long after a hole.
const UNEVEN_NS: u64 = 5_000_000_000;
/// Sound that is so far behind the picture lacks something.
const SILENT_NS: i64 = 500_000_000;
/// Sound that is behind or ahead of the picture by more is not kept.
const LATE_NS: i64 = 1_500_000_000;
const EARLY_NS: i64 = 5_000_000_000;

#[derive(Debug, Clone)]
struct Expected {
    name: Option<Name>,
    pts_ns: i64,
    dts_ns: i64,
    /// How far the picture had come.
    lead_ns: Option<i64>,
    /// Holes make segments so short that sound which is a little behind misses its own.
    is_uneven: bool,
}

#[derive(Debug, Default)]
struct Lane {
    reader: CmafReader,
    expected: VecDeque<Expected>,
    /// Given and not found; whether they had to be there is known when the run is over.
    missing: Vec<Expected>,
    last_dts_ns: Option<i64>,
    /// The newest of each encoder.
    newest: BTreeMap<u32, u64>,
    next_msn: Option<u64>,
    /// Of the growing segment.
    frames: u32,
}

/// A run as it was given to the packager.
#[derive(Debug, Clone, Default)]
struct Run {
    tracks: [bool; 2],
    first_ns: Option<i64>,
    last_ns: Option<i64>,
    /// Of each track: the last decoding time, and how far it was from the one before.
    pace: [(Option<i64>, Option<i64>); 2],
}

/// What all renditions have in common in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Common {
    discontinuity: bool,
    discontinuity_sequence: u64,
    start_unix_ms: i64,
}

#[derive(Debug)]
pub(super) struct Product {
    part_us: u64,
    target_us: Option<u64>,
    lanes: BTreeMap<Rendition, Lane>,
    run: Run,
    segments: BTreeMap<u64, Common>,
    /// When the frames of a track last came at an uneven pace, in virtual time.
    pub(super) uneven_ns: Option<u64>,
    /// A segment could not begin with a key frame.
    pub(super) dependent: bool,
    /// How many segments all renditions made, and how many of them were gaps.
    pub(super) closed: u64,
    pub(super) gaps: u64,
}

impl Product {
    pub(super) fn new(part_ms: u32) -> Self {
        Self {
            part_us: u64::from(part_ms) * 1000,
            target_us: None,
            lanes: BTreeMap::new(),
            run: Run::default(),
            segments: BTreeMap::new(),
            uneven_ns: None,
            dependent: false,
            closed: 0,
            gaps: 0,
        }
    }

    /// The process was killed: what it was making is complete as it is, and no more comes of it.
    pub(super) fn forget<'a>(
        &mut self,
        growing: impl Iterator<Item = (&'a Rendition, &'a Segment)>,
        sections: impl Iterator<Item = (&'a Rendition, &'a Bytes)>,
        next_msn: u64,
    ) {
        for (rendition, segment) in growing {
            self.close(*rendition, segment);
        }
        for lane in self.lanes.values_mut() {
            lane.expected.clear();
            lane.missing.clear();
            lane.reader = CmafReader::new();
            lane.frames = 0;
        }
        for (rendition, section) in sections {
            let lane = self.lanes.entry(*rendition).or_default();
            lane.reader.push(section);
            assert!(lane.read(*rendition).is_empty());
            lane.next_msn = Some(next_msn);
        }
    }

    pub(super) fn begin(&mut self, start: &RunStart) {
        self.run = Run { tracks: [start.video.is_some(), start.audio.is_some()], ..Run::default() };
    }

    /// What goes into the packager.
    pub(super) fn timed(&mut self, now_ns: u64, timed: &Timed) {
        let Timed::Frame(frame) = timed else { return };
        let (last_ns, pace_ns) = &mut self.run.pace[usize::from(frame.track == Track::Audio)];
        let step_ns = last_ns.replace(frame.dts_ns).map(|last| frame.dts_ns - last);
        if let Some((step_ns, pace_ns)) = step_ns.zip(std::mem::replace(pace_ns, step_ns))
            && (step_ns * 2 > pace_ns * 3 || pace_ns * 2 > step_ns * 3)
        {
            self.uneven_ns = Some(now_ns);
        }
        let is_lead = frame.track == Track::Video || !self.run.tracks[0];
        if is_lead {
            let sound_ns = self.run.pace[1].0.or(self.run.first_ns).filter(|_| self.run.tracks[1]);
            if sound_ns.is_some_and(|sound| frame.dts_ns - sound > SILENT_NS) {
                self.uneven_ns = Some(now_ns);
            }
            self.run.first_ns.get_or_insert(frame.pts_ns);
            self.run.last_ns = Some(frame.dts_ns);
        }
        let rendition = if frame.track == Track::Video { Rendition::Source } else { Rendition::Audio };
        self.lanes.entry(rendition).or_default().expected.push_back(Expected {
            name: Name::of(&frame.data),
            pts_ns: frame.pts_ns,
            dts_ns: frame.dts_ns,
            lead_ns: self.run.last_ns,
            is_uneven: self.uneven_ns.is_some_and(|at_ns| now_ns - at_ns < UNEVEN_NS),
        });
    }

    /// The run was ended, and the packager has given all that there is of it.
    pub(super) fn end(&mut self) {
        let run = std::mem::take(&mut self.run);
        for rendition in [Rendition::Source, Rendition::Audio] {
            let Some(lane) = self.lanes.get_mut(&rendition) else { continue };
            let rest = lane.missing.drain(..).chain(lane.expected.drain(..));
            let within = |expected: &Expected| {
                let behind_ns = expected.lead_ns.map_or(0, |lead| lead - expected.pts_ns);
                rendition == Rendition::Source
                    || (run.first_ns.is_some_and(|first| expected.pts_ns >= first)
                        && run.last_ns.is_some_and(|last| expected.pts_ns < last)
                        && (-EARLY_NS..if expected.is_uneven { 50_000_000 } else { LATE_NS })
                            .contains(&behind_ns))
            };
            let lost: Vec<Expected> = rest.filter(within).collect();
            assert!(lost.is_empty(), "{rendition} of {run:?} lacks {lost:?}");
        }
    }

    /// What comes out of the packager.
    pub(super) fn packaged(&mut self, packaged: &Packaged) {
        match packaged {
            Packaged::Target { target_duration_s } => {
                assert_eq!(self.target_us.replace(target_duration_s * 1_000_000), None, "the target changes");
            }
            Packaged::Init { rendition, data, .. } => {
                let lane = self.lanes.entry(*rendition).or_default();
                lane.reader.push(data);
                assert!(lane.read(*rendition).is_empty());
            }
            Packaged::Part { rendition, segment, data } => {
                let lane = self.lanes.entry(*rendition).or_default();
                lane.reader.push(data);
                let frames = lane.read(*rendition);
                for frame in &frames {
                    lane.found(*rendition, frame);
                }
                self.dependent |= segment.parts.len() == 1 && !segment.independent;
                let frames = frames.len() as u32;
                lane.frames += frames;
                assert_eq!(lane.frames, segment.frames, "{rendition} {segment:?}");
                let part = segment.parts.last().expect("a part is one of its segment's");
                // A picture before a hole lasts until the next one.
                let is_one = frames == 1 || self.uneven_ns.is_some();
                assert!(is_one || part.duration_us <= self.part_us + 1, "{rendition} {segment:?}");
            }
            Packaged::Close { rendition, segment } => self.close(*rendition, segment),
        }
    }

    fn close(&mut self, rendition: Rendition, segment: &Segment) {
        let lane = self.lanes.entry(rendition).or_default();
        lane.frames = 0;
        let next = lane.next_msn.replace(segment.msn + 1).unwrap_or(segment.msn);
        assert_eq!(segment.msn, next, "{rendition}: a number is left out or comes twice");
        self.closed += 1;
        self.gaps += u64::from(segment.gap);
        assert!(!segment.gap || rendition != Rendition::Source || !self.run.tracks[0], "{segment:?}");
        if let Some(target_us) = self.target_us {
            let rounded_us = (segment.duration_us + 500_000) / 1_000_000 * 1_000_000;
            assert!(rounded_us <= target_us, "{rendition}: longer than {target_us} us: {segment:?}");
        }
        let common = Common {
            discontinuity: segment.discontinuity,
            discontinuity_sequence: segment.discontinuity_sequence,
            start_unix_ms: segment.start_unix_ms,
        };
        if let Some(known) = self.segments.get(&segment.msn) {
            assert_eq!(*known, common, "{rendition} {}", segment.msn);
            return;
        }
        if let Some(before) = segment.msn.checked_sub(1).and_then(|before| self.segments.get(&before)) {
            let wanted = before.discontinuity_sequence + u64::from(segment.discontinuity);
            assert_eq!(segment.discontinuity_sequence, wanted, "{rendition} {segment:?} after {before:?}");
        }
        self.segments.insert(segment.msn, common);
        if self.segments.len() > 32 {
            self.segments.pop_first();
        }
    }
}

impl Lane {
    fn read(&mut self, rendition: Rendition) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(packet) = self.reader.next().unwrap_or_else(|error| panic!("{rendition}: {error}")) {
            if let Packet::Frame(frame) = packet {
                frames.push(frame);
            }
        }
        frames
    }

    /// A frame was read back.
    fn found(&mut self, rendition: Rendition, frame: &Frame) {
        let last = self.last_dts_ns.replace(frame.dts_ns);
        assert!(last.is_none_or(|last| frame.dts_ns > last), "{rendition}: {} after {last:?}", frame.dts_ns);
        let name = Name::of(&frame.data);
        // Slates have no names.
        if let Some(name) = name {
            let last = self.newest.insert(name.encoder, name.number);
            assert!(last.is_none_or(|last| last < name.number), "{rendition}: {name:?} after {last:?}");
        }
        if rendition == SMALL {
            return;
        }
        let near_ns = if rendition == Rendition::Audio { SOUND_NS } else { TICK_NS };
        loop {
            let Some(expected) = self.expected.pop_front() else {
                panic!("{rendition}: {name:?} at {} was not given, or comes twice", frame.dts_ns);
            };
            let is_near = (expected.pts_ns - frame.pts_ns).abs() <= near_ns
                && (expected.dts_ns - frame.dts_ns).abs() <= near_ns;
            if expected.name == name && (name.is_some() || is_near) {
                assert!(is_near, "{rendition}: {expected:?} is at {} and {}", frame.pts_ns, frame.dts_ns);
                return;
            }
            assert!(rendition == Rendition::Audio, "{expected:?} is left out before {name:?}");
            self.missing.push(expected);
        }
    }
}
