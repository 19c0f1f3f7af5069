//! Packages one rendition: its frames become parts, cut into the segments that the lead rendition began.

use std::collections::VecDeque;

use bytes::Bytes;
use stagebox_media::cmaf::{CmafError, CmafTrack, Fragment};
use stagebox_media::{Frame, TrackConfig};

use super::rendition::Rendition;
use super::segment::{Description, PartInfo, Segment};

/// Timestamps that went through an encoder or RTMP's milliseconds may differ by this much.
pub(super) const TOLERANCE_NS: i64 = 1_000_000;
/// A pause between two frames that is no frame rate any more.
const MAX_FRAME_US: u64 = 1_000_000;
/// A segment that is shorter than the lead's by more than this lacks frames.
const MAX_MISSING_US: u64 = 250_000;
/// A frame that comes later than this after a boundary has lacked one before it.
const MAX_LATE_US: u64 = 90_000;
/// Frame durations of one rate differ by this much in RTMP's whole milliseconds.
const ROUNDING_US: u64 = 2_000;

/// Where a segment begins, in all renditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boundary {
    pub(super) msn: u64,
    pub(super) run: u64,
    /// Presentation time of the lead rendition's first frame.
    pub(super) at_ns: i64,
    /// Where the next boundary is, or the run's end; known later.
    pub(super) end_ns: Option<i64>,
    pub(super) start_unix_ms: i64,
    pub(super) discontinuity: bool,
    pub(super) discontinuity_sequence: u64,
}

/// What the packaging of one event brings forth, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Packaged {
    /// The longest segment there will ever be, told once.
    Target { target_duration_s: u64 },
    /// What a decoder needs before the segments that name this section.
    Init { rendition: Rendition, init: u32, data: Bytes, description: Description },
    /// A piece of the growing segment; `segment` is the segment with all its parts so far.
    Part { rendition: Rendition, segment: Segment, data: Bytes },
    /// The segment is complete, or nothing of it came.
    Close { rendition: Rendition, segment: Segment },
}

#[derive(Debug)]
struct Open {
    boundary: Boundary,
    segment: Segment,
}

/// One rendition's packager.
#[derive(Debug)]
pub(super) struct Lane {
    rendition: Rendition,
    /// It decides where segments begin, and so never waits for a boundary.
    lead: bool,
    part_us: u64,
    track: Option<(TrackConfig, CmafTrack)>,
    /// The initialisation section of what comes.
    init: Option<(u32, Bytes)>,
    /// All of them so far, the newest last; of those before a restart, the newest.
    inits: Vec<(u32, Bytes)>,
    /// Segments that others have begun already.
    queue: VecDeque<Boundary>,
    open: Option<Open>,
    last_dts_ns: Option<i64>,
    /// Where the last part ends, by its decode times.
    end_ns: i64,
    /// Of the last frame whose duration was known.
    frame_us: u64,
}

impl Lane {
    /// `init` is the newest initialisation section from before a restart.
    pub(super) fn new(rendition: Rendition, part_us: u64, init: Option<(u32, Bytes)>) -> Self {
        Self {
            rendition,
            lead: false,
            part_us,
            track: None,
            inits: init.iter().cloned().collect(),
            init,
            queue: VecDeque::new(),
            open: None,
            last_dts_ns: None,
            end_ns: 0,
            frame_us: 0,
        }
    }

    /// Makes this rendition the one that decides, or one that follows.
    pub(super) fn set_lead(&mut self, lead: bool) {
        self.lead = lead;
    }

    /// A new stretch of frames with this configuration; the old one has been finished.
    pub(super) fn configure(
        &mut self,
        config: TrackConfig,
        out: &mut Vec<Packaged>,
    ) -> Result<(), CmafError> {
        let track = CmafTrack::new(&config)?;
        self.flush(out);
        let data = track.init();
        if self.init.as_ref().is_none_or(|(_, known)| *known != data) {
            // A slate and a broadcast that take turns have one each, however often.
            let known = self.inits.iter().find(|(_, known)| *known == data).map(|(number, _)| *number);
            let init = known.unwrap_or_else(|| self.inits.last().map_or(0, |(number, _)| number + 1));
            if known.is_none() {
                self.inits.push((init, data.clone()));
            }
            if self.open.as_ref().is_some_and(|open| !open.segment.parts.is_empty()) {
                // A segment has one section only.
                self.close(out);
            }
            self.init = Some((init, data.clone()));
            let description = Description::of(track.format());
            out.push(Packaged::Init { rendition: self.rendition, init, data, description });
        }
        self.track = Some((config, track.not_before(self.end_ns)));
        self.last_dts_ns = None;
        Ok(())
    }

    /// Announces the next segment.
    pub(super) fn declare(&mut self, boundary: Boundary) {
        self.end_at(boundary.at_ns);
        self.queue.push_back(boundary);
    }

    /// Says where the newest segment ends.
    pub(super) fn end_at(&mut self, end_ns: i64) {
        let newest = self.queue.back_mut().or(self.open.as_mut().map(|open| &mut open.boundary));
        if let Some(newest) = newest {
            newest.end_ns.get_or_insert(end_ns);
        }
    }

    pub(super) fn frame(&mut self, frame: &Frame, out: &mut Vec<Packaged>) {
        let mut pushed = false;
        while let Some(next) = self.queue.front().copied().filter(|next| self.reaches(frame, next)) {
            self.queue.pop_front();
            if self.open.is_some() {
                // A frame's duration is known with the next one only, and the next one is not cut yet.
                if self.is_interrupted(frame, &next) {
                    self.flush(out);
                } else if !pushed {
                    if self.pending_us() + self.since_last_us(frame) > self.part_us {
                        self.cut(out);
                    }
                    self.push(frame, out);
                    pushed = true;
                }
                self.cut(out);
                self.close(out);
            }
            self.open(next);
        }
        let Some(open) = &self.open else { return };
        if !self.lead && frame.pts_ns + TOLERANCE_NS < open.boundary.at_ns {
            return;
        }
        let duration_us = self.since_last_us(frame);
        if !pushed {
            if self.pending_us() + duration_us > self.part_us {
                self.cut(out);
            }
            self.push(frame, out);
        }
        if self.pending_us() + duration_us > self.part_us + ROUNDING_US {
            self.cut(out);
        }
    }

    /// Ends the growing segment with all its frames: no more of this stretch will come.
    pub(super) fn finish(&mut self, out: &mut Vec<Packaged>) {
        self.flush(out);
        self.close(out);
    }

    /// Publishes every frame that was taken, the last one too.
    fn flush(&mut self, out: &mut Vec<Packaged>) {
        // The last frame is taken to last as long as the one before, which may be too much for one part.
        if self.pending_us() + self.frame_us > self.part_us {
            self.cut(out);
        }
        if let Some((config, mut track)) = self.track.take() {
            if let Some(fragment) = track.finish() {
                self.part(&fragment, track.timescale(), out);
            }
            // The same configuration makes the same initialisation section, so this cannot fail.
            let next = CmafTrack::new(&config).ok();
            self.track = next.map(|track| (config, track.not_before(self.end_ns)));
        }
        self.last_dts_ns = None;
    }

    /// No more will come for a while: what there is of the growing segment is published, and the rest a hole.
    pub(super) fn pause(&mut self, out: &mut Vec<Packaged>) {
        self.flush(out);
    }

    /// Ends what `run` still owes: segments that nothing came for become gaps.
    pub(super) fn end_run(&mut self, run: u64, out: &mut Vec<Packaged>) {
        if self.open.as_ref().is_some_and(|open| open.boundary.run <= run) {
            self.finish(out);
        }
        while let Some(next) = self.queue.front().copied().filter(|next| next.run <= run) {
            self.queue.pop_front();
            self.open(next);
            self.close(out);
        }
    }

    /// Whether a worker may still deliver something of a run before this one.
    pub(super) fn owes_before(&self, run: u64) -> bool {
        let oldest = self.open.as_ref().map(|open| &open.boundary).or(self.queue.front());
        oldest.is_some_and(|oldest| oldest.run < run)
    }

    /// Ends every segment before `msn`, complete or not: the others have gone too far ahead.
    pub(super) fn force(&mut self, msn: u64, out: &mut Vec<Packaged>) {
        if self.open.as_ref().is_some_and(|open| open.boundary.msn < msn) {
            self.finish(out);
        }
        while let Some(next) = self.queue.front().copied().filter(|next| next.msn < msn) {
            self.queue.pop_front();
            self.open(next);
            self.close(out);
        }
    }

    /// Publishes what is complete of the growing segment and ends it; later frames belong to the next one.
    pub(super) fn break_off(&mut self, out: &mut Vec<Packaged>) {
        self.cut(out);
        self.close(out);
    }

    /// Opens the announced segment at once: the lead needs no frame to reach it.
    pub(super) fn open_next(&mut self) {
        if let (None, Some(next)) = (&self.open, self.queue.pop_front()) {
            self.open(next);
        }
    }

    /// Whether the frame before must not last until this one, which is the first after a boundary.
    fn is_interrupted(&self, frame: &Frame, next: &Boundary) -> bool {
        let late_us = frame.pts_ns.saturating_sub(next.at_ns).max(0) as u64 / 1000;
        !self.lead && late_us > self.frame_us.max(MAX_LATE_US)
    }

    fn reaches(&self, frame: &Frame, next: &Boundary) -> bool {
        self.lead || frame.pts_ns + TOLERANCE_NS >= next.at_ns
    }

    fn push(&mut self, frame: &Frame, out: &mut Vec<Packaged>) {
        let duration_us = self.since_last_us(frame);
        if duration_us > self.part_us.max(MAX_FRAME_US) {
            // Something is missing here: the frame before it must not last until now.
            self.flush(out);
        }
        let Some((_, track)) = &mut self.track else { return };
        // Refused are only frames of another track, which are never given to this one.
        if track.push(frame).is_ok() {
            self.frame_us = duration_us;
            self.last_dts_ns = Some(frame.dts_ns);
        }
    }

    fn since_last_us(&self, frame: &Frame) -> u64 {
        self.last_dts_ns.map_or(0, |last| frame.dts_ns.saturating_sub(last).max(0) as u64 / 1000)
    }

    fn pending_us(&self) -> u64 {
        self.track.as_ref().map_or(0, |(_, track)| ticks_to_us(track.pending_ticks(), track.timescale()))
    }

    fn cut(&mut self, out: &mut Vec<Packaged>) {
        let Some((_, track)) = &mut self.track else { return };
        let timescale = track.timescale();
        if let Some(fragment) = track.cut() {
            self.part(&fragment, timescale, out);
        }
    }

    fn part(&mut self, fragment: &Fragment, timescale: u32, out: &mut Vec<Packaged>) {
        let Some(open) = &mut self.open else { return };
        if open.segment.parts.is_empty() {
            // It may have been opened before its section was known.
            open.segment.init = self.init.as_ref().map_or(0, |(number, _)| *number);
        }
        // From rounded ends, so that durations add up to the whole without drifting.
        let end_us = ticks_to_us(fragment.decode_time + fragment.duration, timescale);
        let duration_us = end_us.saturating_sub(ticks_to_us(fragment.decode_time, timescale));
        let segment = &mut open.segment;
        if segment.parts.is_empty() {
            segment.independent = fragment.independent;
            let shown = fragment.independent && self.rendition.is_video();
            segment.key_bytes = shown.then_some(fragment.first_end as u64);
        }
        let start = segment.bytes as usize;
        let end = start + fragment.data.len();
        segment.parts.push(PartInfo { duration_us, independent: fragment.independent, start, end });
        segment.duration_us += duration_us;
        segment.bytes = end as u64;
        segment.end_ns = ticks_to_ns(fragment.decode_time + fragment.duration, timescale);
        self.end_ns = segment.end_ns;
        segment.frames += fragment.samples;
        out.push(Packaged::Part {
            rendition: self.rendition,
            segment: segment.clone(),
            data: fragment.data.clone(),
        });
    }

    fn open(&mut self, boundary: Boundary) {
        let segment = Segment {
            msn: boundary.msn,
            duration_us: 0,
            start_unix_ms: boundary.start_unix_ms,
            discontinuity: boundary.discontinuity,
            discontinuity_sequence: boundary.discontinuity_sequence,
            independent: false,
            gap: false,
            init: self.init.as_ref().map_or(0, |(number, _)| *number),
            bytes: 0,
            key_bytes: None,
            frames: 0,
            end_ns: boundary.at_ns,
            parts: Vec::new(),
        };
        self.open = Some(Open { boundary, segment });
    }

    fn close(&mut self, out: &mut Vec<Packaged>) {
        let Some(Open { boundary, mut segment }) = self.open.take() else { return };
        let length_us =
            boundary.end_ns.map_or(0, |end| end.saturating_sub(boundary.at_ns).max(0) as u64 / 1000);
        if segment.parts.is_empty() {
            segment.gap = true;
            segment.end_ns = boundary.end_ns.unwrap_or(boundary.at_ns);
            segment.duration_us = length_us;
        } else if segment.duration_us + MAX_MISSING_US < length_us {
            // Frames are missing, but what follows is where it is in the other renditions.
            segment.duration_us = length_us;
        }
        out.push(Packaged::Close { rendition: self.rendition, segment });
    }
}

fn ticks_to_us(ticks: u64, timescale: u32) -> u64 {
    scale(ticks, 1_000_000, timescale)
}

fn ticks_to_ns(ticks: u64, timescale: u32) -> i64 {
    i64::try_from(scale(ticks, 1_000_000_000, timescale)).unwrap_or(i64::MAX)
}

fn scale(ticks: u64, per_second: u64, timescale: u32) -> u64 {
    let timescale = u128::from(timescale.max(1));
    let scaled = (u128::from(ticks) * u128::from(per_second) + timescale / 2) / timescale;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
