//! The stretch that is shown just now: the copies of one source's frames, merged and put in order.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use stagebox_media::{Epoch, Frame, Track};

use super::cursor::{Cursor, MAX_HOLE_NS, Stand, Steps};
use super::member::{Group, Member};
use super::{Policy, Timed, USUAL_FRAME_NS};

/// No frame of sound lasts longer.
const MAX_SOUND_NS: i64 = 100_000_000;
/// A run's only frame is taken to last as long as one of the slowest usual rate, as the packager has it.
const ONLY_FRAME_NS: i64 = 1_000_000_000 / 15;
/// Frames that wait for what is missing before them.
const MAX_HELD: usize = 1_000;

/// How long after its decoding a picture may be shown: beyond it the encoder is wrong.
const SHOWN_LATER_NS: RangeInclusive<i64> = -1_000_000_000..=3_000_000_000;

#[derive(Debug)]
pub(super) struct Run {
    group: Group,
    lead: Track,
    tracks: [bool; 2],
    offset_ns: i64,
    steps: Steps,
    video: Lane,
    audio: Lane,
    /// The latest presentation time of the lead that was given on.
    shown_ns: Option<i64>,
}

/// One track of a run.
#[derive(Debug, Default)]
struct Lane {
    cursor: Cursor,
    stand: Stand,
    /// Frames behind a hole, by their decoding times, with when they came.
    held: BTreeMap<i64, (Instant, Frame)>,
}

impl Run {
    /// A run of what was announced; `tracks` are those that a decoder was told of.
    pub(super) fn new(group: Group, lead: Track, tracks: [bool; 2], offset_ns: i64) -> Self {
        let (video, audio, steps) = (Lane::default(), Lane::default(), Steps::default());
        Self { group, lead, tracks, offset_ns, steps, video, audio, shown_ns: None }
    }

    /// The track without which there is nothing to show.
    pub(super) fn lead(&self) -> Track {
        self.lead
    }

    /// Whether its decoder was told of a track.
    pub(super) fn has(&self, track: Track) -> bool {
        self.tracks[usize::from(track == Track::Audio)]
    }

    /// Whether a track's next configuration can wait for a key frame, so that what is shown goes on until then.
    pub(super) fn can_wait(&self, group: Option<Group>, track: Track) -> bool {
        matches!(self.group, Group::Alone(_)) && group == Some(self.group) && track != self.lead
    }

    pub(super) fn group(&self) -> Group {
        self.group
    }

    /// Takes a frame of one of the copies; [`Run::drain`] gives on what can be given on.
    pub(super) fn take(&mut self, now: Instant, frame: Frame, out: &mut Vec<Timed>) {
        if !self.has(frame.track) {
            return;
        }
        if matches!(self.group, Group::Alone(_)) {
            return self.straighten(now, frame, out);
        }
        let lane = self.lane(frame.track);
        let is_new = lane.cursor.last_dts_ns.is_none_or(|last| frame.dts_ns > last);
        if is_new && lane.held.len() < MAX_HELD {
            lane.held.entry(frame.dts_ns).or_insert((now, frame));
        }
    }

    /// Gives on what has waited long enough, or has nothing to wait for.
    ///
    /// Returns the frames behind a hole that no copy can fill and no decoder gets over: the run ends before them.
    pub(super) fn drain(
        &mut self,
        now: Instant,
        policy: &Policy,
        members: &[Member],
        out: &mut Vec<Timed>,
    ) -> Vec<Frame> {
        let (group, lead) = (self.group, self.lead);
        let lead_last = self.lane(lead).cursor.last_dts_ns;
        for track in [lead, other(lead)] {
            loop {
                let lane = self.lane(track);
                let Some(first) = lane.held.first_entry() else { break };
                let (dts_ns, arrived) = (*first.key(), first.get().0);
                let awaited = || {
                    let copies = members.iter().filter(|member| member.group() == Some(group));
                    copies.clone().any(|copy| copy.may_bring(now, policy.loss, track, dts_ns))
                };
                let is_due = lane.cursor.continues(dts_ns)
                    || now.saturating_duration_since(arrived) >= policy.hold
                    || !awaited();
                let is_ahead = leaps(lane.cursor.last_dts_ns, dts_ns);
                if !is_due || (track != lead && is_ahead && leaps(lead_last, dts_ns)) {
                    break;
                }
                if track == lead && is_ahead {
                    return self.take_held();
                }
                let (_, frame) = first.remove();
                if lane.cursor.accept(dts_ns) {
                    self.give(frame, out);
                }
            }
        }
        Vec::new()
    }

    /// When something that waits has waited long enough.
    pub(super) fn next_deadline(&self, policy: &Policy) -> Option<Instant> {
        let lead_last = self.ref_lane(self.lead).cursor.last_dts_ns;
        let waits = [self.lead, other(self.lead)].into_iter().filter_map(|track| {
            let lane = self.ref_lane(track);
            let (dts_ns, (arrived, _)) = lane.held.first_key_value()?;
            // What has run ahead of the lead waits for the lead, however long.
            let ahead = leaps(lane.cursor.last_dts_ns, *dts_ns) && leaps(lead_last, *dts_ns);
            (track == self.lead || !ahead).then(|| *arrived + policy.hold)
        });
        waits.min()
    }

    fn take_held(&mut self) -> Vec<Frame> {
        let held = [&mut self.video, &mut self.audio].into_iter().map(|lane| std::mem::take(&mut lane.held));
        let mut frames: Vec<Frame> = held.flat_map(BTreeMap::into_values).map(|(_, frame)| frame).collect();
        frames.sort_by_key(|frame| frame.dts_ns);
        frames
    }

    /// Gives on all that waits: the run is over.
    pub(super) fn flush(&mut self, out: &mut Vec<Timed>) {
        for track in [Track::Video, Track::Audio] {
            // What lies behind a hole that no decoder gets over is nobody's.
            let held: Vec<Frame> = self.reachable(track).cloned().collect();
            held.into_iter().for_each(|frame| self.give(frame, out));
        }
    }

    /// Gives a frame on, on the event's timeline.
    fn give(&mut self, mut frame: Frame, out: &mut Vec<Timed>) {
        frame.pts_ns = frame.pts_ns.saturating_add(self.offset_ns);
        frame.dts_ns = frame.dts_ns.saturating_add(self.offset_ns);
        if frame.track == self.lead {
            self.shown_ns = self.shown_ns.max(Some(frame.pts_ns));
        }
        out.push(Timed::Frame(frame));
    }

    /// Where what it shows ends: pictures that were put in another order for decoding are shown later than decoded.
    pub(super) fn shown_until_ns(&self) -> i64 {
        let lead = self.cursor(self.lead);
        let frame_ns = lead.end_ns().zip(lead.last_dts_ns).map_or(0, |(end, last)| end.saturating_sub(last));
        self.shown_ns.map_or(i64::MIN, |shown| shown.saturating_add(frame_ns))
    }

    /// How far it came, if its encoder can be told from others.
    pub(super) fn reached(&self) -> Option<(Epoch, i64)> {
        let Group::Epoch(epoch) = self.group else { return None };
        Some((epoch, self.last(self.lead)?))
    }

    /// Where the next run begins.
    pub(super) fn end_ns(&self) -> i64 {
        let (lead, other) = match self.lead {
            Track::Video => (self.cursor(Track::Video), self.cursor(Track::Audio)),
            Track::Audio => (self.cursor(Track::Audio), self.cursor(Track::Video)),
        };
        let Some(mut lead_end_ns) = lead.end_ns() else { return i64::MIN };
        if lead.duration_ns == 0 {
            lead_end_ns += ONLY_FRAME_NS - USUAL_FRAME_NS;
        }
        // What the other track has beyond the lead's end is dropped, but for the frame that crosses it.
        let beyond_ns = other.end_ns().map_or(0, |end| end.saturating_sub(lead_end_ns));
        let end_ns = lead_end_ns.saturating_add(beyond_ns.clamp(0, other.duration_ns.clamp(0, MAX_SOUND_NS)));
        end_ns.saturating_add(self.offset_ns)
    }

    /// A track's cursor as it is once all that waits is given on.
    fn cursor(&self, track: Track) -> Cursor {
        let lane = self.ref_lane(track);
        let mut cursor = lane.cursor;
        for frame in self.reachable(track) {
            cursor.accept(frame.dts_ns);
        }
        cursor
    }

    /// What waits and is not behind more than a pause.
    fn reachable(&self, track: Track) -> impl Iterator<Item = &Frame> {
        let lane = self.ref_lane(track);
        let mut last_ns = lane.cursor.last_dts_ns;
        let held = lane.held.values().map(|(_, frame)| frame);
        held.take_while(move |frame| !leaps(last_ns.replace(frame.dts_ns), frame.dts_ns))
    }

    fn last(&self, track: Track) -> Option<i64> {
        self.cursor(track).last_dts_ns
    }

    /// The only copy's next frame, whatever its encoder's clock does.
    fn straighten(&mut self, now: Instant, mut frame: Frame, out: &mut Vec<Timed>) {
        let beside = self.ref_lane(other(frame.track)).cursor;
        let lane = if frame.track == Track::Video { &mut self.video } else { &mut self.audio };
        let dts_ns = match lane.stand.look(now, frame.dts_ns) {
            Some(after) => self.steps.follow(&lane.cursor, frame.dts_ns, after),
            None => self.steps.straighten(&lane.cursor, &beside, frame.dts_ns),
        };
        let later_ns = frame.pts_ns.saturating_sub(frame.dts_ns);
        let later_ns = if SHOWN_LATER_NS.contains(&later_ns) { later_ns } else { 0 };
        frame.pts_ns = dts_ns.saturating_add(later_ns);
        frame.dts_ns = dts_ns;
        if lane.cursor.accept(dts_ns) {
            self.give(frame, out);
        }
    }

    fn lane(&mut self, track: Track) -> &mut Lane {
        if track == Track::Video { &mut self.video } else { &mut self.audio }
    }

    fn ref_lane(&self, track: Track) -> &Lane {
        if track == Track::Video { &self.video } else { &self.audio }
    }
}

fn other(track: Track) -> Track {
    if track == Track::Video { Track::Audio } else { Track::Video }
}

/// Whether there is more between two frames than a pause.
fn leaps(last_ns: Option<i64>, dts_ns: i64) -> bool {
    last_ns.is_some_and(|last| dts_ns.saturating_sub(last) > MAX_HOLE_NS)
}
