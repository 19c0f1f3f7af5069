//! Decides where segments begin, the same in all renditions, and has each of them packaged.
//!
//! The lead rendition (the source's video, or its sound where there is no video)
//! begins segments at its key frames; the others follow at the same presentation
//! time. Sound that came too early waits until the lead has passed it, so that
//! no segment is begun behind its back.
//!
//! A source whose key frames are too far apart is encoded anew by the worker, as
//! large as it is: its frames then say only what time it is, and segments begin on
//! the grid of the worker's key frames.

mod begin;
mod keys;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use stagebox_media::cmaf::CmafError;
use stagebox_media::{Frame, Packet, Track, TrackConfig};

pub(crate) use begin::{Lengths, Resume};
pub(crate) use keys::Spacing;

use super::dates::Dates;
use super::lane::{Boundary, Lane, Packaged, TOLERANCE_NS};
use super::rendition::Rendition;
use super::timeline::RunStart;
use crate::transcode::KeyGrid;
use run::Run;

/// Nothing lasts longer than this, whatever the source's key frames do.
const MAX_TARGET_S: u64 = 10;
/// Kept clear of the limit where a duration would be rounded up past the target (RFC 8216bis, 4.4.3.1).
const TARGET_MARGIN_NS: i64 = 100_000_000;
/// Sound that runs ahead of the picture by more frames than this is not kept.
const MAX_HELD: usize = 512;
/// A rendition that is more segments behind than this goes on without what is missing.
const MAX_LAG_SEGMENTS: u64 = 2;

/// How long a run's only picture lasts: that of the slowest usual rate, so that its sound is kept.
const ONLY_FRAME_NS: i64 = SECOND_NS / 15;

const MS_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// The pure core of packaging: runs of frames in, parts and segments out.
#[derive(Debug)]
pub(crate) struct Segmenter {
    lengths: Lengths,
    next_msn: u64,
    discontinuity_sequence: u64,
    /// The next run is not the event's first.
    interrupted: bool,
    runs: u64,
    target_duration_s: Option<u64>,
    cut_at_key: bool,
    run: Option<Run>,
    dates: Dates,
    lanes: BTreeMap<Rendition, Lane>,
    /// Renditions of the running run that nothing more will come of.
    dropped: BTreeSet<Rendition>,
}

impl Segmenter {
    pub(crate) fn new(lengths: Lengths, resume: Resume) -> Self {
        let part_us = u64::from(lengths.part_ms) * 1000;
        let lanes = resume.inits.into_iter();
        Self {
            lengths,
            next_msn: resume.next_msn,
            discontinuity_sequence: resume.discontinuity_sequence,
            interrupted: resume.next_msn > 0,
            runs: 0,
            target_duration_s: resume.target_duration_s,
            cut_at_key: false,
            run: None,
            dates: Dates::after(resume.dated_until_ms),
            lanes: lanes.map(|(name, init)| (name, Lane::new(name, part_us, Some(init)))).collect(),
            dropped: BTreeSet::new(),
        }
    }

    /// How long segments are to be.
    pub(crate) fn segment_ms(&self) -> u32 {
        self.lengths.segment_ms
    }

    /// The number that the next segment will have.
    pub(crate) fn next_msn(&self) -> u64 {
        self.next_msn
    }

    /// Begins a run; `scaled` names the renditions that a worker will deliver for it.
    ///
    /// The source is one of them where it is encoded anew, with key frames as [`Segmenter::grid`] has them.
    /// Returns the run's number.
    pub(crate) fn begin(
        &mut self,
        start: &RunStart,
        scaled: &[Rendition],
        out: &mut Vec<Packaged>,
    ) -> Result<u64, CmafError> {
        let lead = if start.video.is_some() { Rendition::Source } else { Rendition::Audio };
        for lane in self.lanes.values_mut() {
            lane.set_lead(false);
        }
        for (rendition, config) in [(Rendition::Source, &start.video), (Rendition::Audio, &start.audio)] {
            if let Some(config) = config.as_ref().filter(|_| !scaled.contains(&rendition)) {
                let lane = self.lane(rendition);
                lane.configure(config.clone(), out)?;
                lane.set_lead(rendition == lead);
            }
        }
        for rendition in scaled {
            self.lane(*rendition);
        }
        // What the run before was shown in, and this one is not, is not waited for.
        let is_shown = |name: &Rendition| match name {
            Rendition::Source => start.video.is_some(),
            Rendition::Audio => start.audio.is_some(),
            Rendition::Scaled(_) => scaled.contains(name),
        };
        self.dropped = self.lanes.keys().filter(|name| !is_shown(name)).copied().collect();
        self.runs += 1;
        let grid = scaled.contains(&Rendition::Source).then(|| self.grid());
        self.run = Some(Run::new(self.runs, lead, start.start_unix_ms, grid));
        Ok(self.runs)
    }

    /// Takes the next frame of the running run.
    pub(crate) fn frame(&mut self, frame: Frame, out: &mut Vec<Packaged>) {
        let Some(run) = &mut self.run else { return };
        if frame.track == lead_track(run.lead) {
            self.lead_frame(&frame, out);
            self.release_held(out);
        } else if run.held.len() < MAX_HELD {
            run.held.push_back(frame);
            self.release_held(out);
        }
    }

    /// Where a worker that makes the source's rendition has key frames.
    pub(crate) fn grid(&self) -> KeyGrid {
        KeyGrid::every(self.lengths.segment_ms)
    }

    /// What the source's next key frame says about how far apart they are.
    pub(crate) fn spacing(&self, frame: &Frame) -> Option<Spacing> {
        let run = self.run.as_ref().filter(|run| run.origin_ns.is_some())?;
        let is_key = frame.key && frame.track == Track::Video && run.lead.is_video();
        if is_key { run.keys.spacing(frame, self.limit_ns()) } else { None }
    }

    /// Wall-clock time of what is shown then in the running run.
    pub(crate) fn unix_ms_at(&self, pts_ns: i64) -> Option<i64> {
        self.run.as_ref().map(|run| run.unix_ms_at(pts_ns))
    }

    /// Ends the run: the segment in hand is complete. Gives back the frames that lie beyond.
    pub(crate) fn end(&mut self, out: &mut Vec<Packaged>) -> Vec<Frame> {
        let Some(mut run) = self.run.take() else { return Vec::new() };
        let frame_ns = if run.keys.frame_ns() > 0 { run.keys.frame_ns() } else { ONLY_FRAME_NS };
        let end_ns = run.keys.last_dts_ns().saturating_add(frame_ns);
        for lane in self.lanes.values_mut() {
            lane.end_at(end_ns);
        }
        let mut beyond = Vec::new();
        for held in std::mem::take(&mut run.held) {
            // The last picture's length is that of the one before, rounded as timestamps are.
            if held.pts_ns < end_ns.saturating_add(TOLERANCE_NS) {
                self.follow(&held, out);
            } else {
                beyond.push(held);
            }
        }
        self.interrupted |= run.origin_ns.is_some();
        if let Some(origin_ns) = run.origin_ns {
            self.dates.end(origin_ns, run.start_unix_ms, end_ns.max(run.segment_at_ns));
        }
        for (rendition, lane) in &mut self.lanes {
            let is_made = *rendition == Rendition::Source && run.leading().is_none();
            if matches!(rendition, Rendition::Source | Rendition::Audio) && !is_made {
                lane.end_run(run.number, out);
            }
        }
        self.choose_target(end_ns.saturating_sub(run.segment_dts_ns), out);
        beyond
    }

    /// Takes what a worker made of the lead's frames.
    pub(crate) fn scaled(
        &mut self,
        rendition: Rendition,
        packet: Packet,
        out: &mut Vec<Packaged>,
    ) -> Result<(), CmafError> {
        if self.run.as_ref().is_some_and(|run| run.leading() == Some(rendition)) {
            // What an earlier run's worker still delivers came too late.
            return Ok(());
        }
        let Some(lane) = self.lanes.get_mut(&rendition) else { return Ok(()) };
        match packet {
            Packet::Config(config) => lane.configure(config, out)?,
            Packet::Frame(frame) => lane.frame(&frame, out),
        }
        Ok(())
    }

    /// A worker has delivered all it will of `run`.
    pub(crate) fn scaled_end(&mut self, rendition: Rendition, run: u64, out: &mut Vec<Packaged>) {
        if let Some(lane) = self.lanes.get_mut(&rendition) {
            let over = self.run.as_ref().is_none_or(|current| current.number != run);
            if over {
                lane.end_run(run, out);
            } else {
                // It broke off in the midst: what it owes is missing until it is back.
                lane.pause(out);
            }
        }
    }

    /// Some frames of the running run will never come; others may.
    pub(crate) fn scaled_lost(&mut self, rendition: Rendition, out: &mut Vec<Packaged>) {
        if let Some(lane) = self.lanes.get_mut(&rendition) {
            lane.pause(out);
        }
    }

    /// Nothing more will come of `run`: its segments are gaps from here on, and nobody waits for them.
    pub(crate) fn scaled_dropped(&mut self, rendition: Rendition, run: u64, out: &mut Vec<Packaged>) {
        self.scaled_lost(rendition, out);
        if self.run.as_ref().is_some_and(|current| current.number == run) {
            self.dropped.insert(rendition);
        }
    }

    /// The next key frame begins a segment; returns that segment's number.
    pub(crate) fn cut_at_key(&mut self) -> u64 {
        self.cut_at_key = self.run.as_ref().is_some_and(|run| run.origin_ns.is_some());
        self.next_msn
    }

    /// Ends the segment in hand here and now; returns the number of the first one after it.
    pub(crate) fn cut_now(&mut self, out: &mut Vec<Packaged>) -> u64 {
        if let Some(run) = self.run.as_ref().filter(|run| run.origin_ns.is_some()) {
            let at_ns = run.keys.last_dts_ns();
            if at_ns <= run.segment_dts_ns {
                // It has no complete frame yet, so it is what comes after.
                return self.next_msn.saturating_sub(1);
            }
            let lead = run.leading();
            self.declare(at_ns, at_ns);
            if let Some(lane) = lead.and_then(|lead| self.lanes.get_mut(&lead)) {
                lane.break_off(out);
                lane.open_next();
            }
            self.choose_target(0, out);
        }
        self.next_msn
    }

    /// Ends every segment before `msn` in all renditions, with what there is of it.
    pub(crate) fn close_before(&mut self, msn: u64, out: &mut Vec<Packaged>) {
        for lane in self.lanes.values_mut() {
            lane.force(msn, out);
        }
    }

    fn lane(&mut self, rendition: Rendition) -> &mut Lane {
        let part_us = u64::from(self.lengths.part_ms) * 1000;
        self.lanes.entry(rendition).or_insert_with(|| Lane::new(rendition, part_us, None))
    }

    fn lead_frame(&mut self, frame: &Frame, out: &mut Vec<Packaged>) {
        let limit_ns = self.limit_ns();
        let segment_ns = i64::from(self.lengths.segment_ms) * MS_NS;
        let is_late =
            |run: &Run| run.leading().is_some() && frame.dts_ns.saturating_sub(run.segment_dts_ns) > limit_ns;
        if self.run.as_ref().is_some_and(is_late) {
            // The frame before came so long ago that its segment cannot last until now.
            self.cut_now(out);
        }
        let Some(run) = &mut self.run else { return };
        if let Some(cut) = run.lead_frame(frame, self.cut_at_key, segment_ns, limit_ns) {
            if cut.elapsed_ns.is_none() {
                run.start_unix_ms = self.dates.begin(cut.at_ns, run.start_unix_ms);
            }
            self.cut_at_key &= !cut.at_key;
            self.declare(cut.at_ns, frame.dts_ns);
            if let Some(elapsed_ns) = cut.elapsed_ns {
                self.choose_target(elapsed_ns, out);
            }
        }
        if let Some(lane) =
            self.run.as_ref().and_then(Run::leading).and_then(|lead| self.lanes.get_mut(&lead))
        {
            lane.frame(frame, out);
        }
        if let Some(msn) = self.next_msn.checked_sub(1 + MAX_LAG_SEGMENTS) {
            self.close_before(msn, out);
        }
        let (in_hand, run) = (self.next_msn.saturating_sub(1), self.runs);
        for (name, lane) in &mut self.lanes {
            if self.dropped.contains(name) && !lane.owes_before(run) {
                lane.force(in_hand, out);
            }
        }
    }

    /// Gives the other track's frames on as far as no segment can begin before them any more.
    fn release_held(&mut self, out: &mut Vec<Packaged>) {
        while let Some(run) = self.run.as_mut().filter(|run| run.origin_ns.is_some()) {
            let passed = run.held.front().is_some_and(|held| held.pts_ns <= run.keys.last_dts_ns());
            if !passed {
                return;
            }
            let Some(held) = run.held.pop_front() else { return };
            self.follow(&held, out);
        }
    }

    fn follow(&mut self, frame: &Frame, out: &mut Vec<Packaged>) {
        let rendition = match frame.track {
            Track::Video => Rendition::Source,
            Track::Audio => Rendition::Audio,
        };
        if let Some(lane) = self.lanes.get_mut(&rendition) {
            lane.frame(frame, out);
        }
    }

    /// Begins the next segment in all renditions.
    fn declare(&mut self, at_ns: i64, dts_ns: i64) {
        let Some(run) = &mut self.run else { return };
        // Pictures that are shown before earlier ones make no segment that begins before an earlier one.
        let at_ns = at_ns.max(run.segment_at_ns);
        let discontinuity = std::mem::take(&mut self.interrupted);
        self.discontinuity_sequence += u64::from(discontinuity);
        let boundary = Boundary {
            msn: self.next_msn,
            run: run.number,
            at_ns,
            end_ns: None,
            start_unix_ms: run.unix_ms_at(at_ns),
            discontinuity,
            discontinuity_sequence: self.discontinuity_sequence,
        };
        run.segment_dts_ns = dts_ns;
        run.segment_at_ns = at_ns;
        self.next_msn += 1;
        for lane in self.lanes.values_mut() {
            lane.declare(boundary);
        }
    }

    /// The first complete segment shows how far apart the source's key frames are.
    fn choose_target(&mut self, first_ns: i64, out: &mut Vec<Packaged>) {
        if self.target_duration_s.is_none() {
            // A frame of sound may reach beyond the picture's last one.
            let rounded = first_ns.saturating_add(SECOND_NS / 2 + TARGET_MARGIN_NS) / SECOND_NS;
            let at_least = u64::from(self.lengths.segment_ms).div_ceil(1000);
            let target_duration_s =
                u64::try_from(rounded).unwrap_or(0).clamp(at_least, MAX_TARGET_S.max(at_least));
            self.target_duration_s = Some(target_duration_s);
            out.push(Packaged::Target { target_duration_s });
        }
    }

    fn limit_ns(&self) -> i64 {
        let target_s = self.target_duration_s.unwrap_or(MAX_TARGET_S) as i64;
        target_s * SECOND_NS + SECOND_NS / 2 - TARGET_MARGIN_NS
    }
}

fn lead_track(lead: Rendition) -> Track {
    if lead.is_video() { Track::Video } else { Track::Audio }
}

/// Whether a configuration is one that can be packaged.
pub(crate) fn check(config: &TrackConfig) -> Result<(), CmafError> {
    stagebox_media::cmaf::TrackFormat::parse(config).map(drop)
}

#[cfg(test)]
pub(super) mod tests;
