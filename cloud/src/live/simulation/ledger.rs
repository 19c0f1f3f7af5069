//! What arrived and what the switcher made of it: nothing twice, nothing back, nothing left out without a reason.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use stagebox_media::{Epoch, Frame, Track};

use super::encoder::Name;
use crate::live::timeline::{InputId, Policy, RunStart, Timed};

/// A hole in the lead that no decoder gets over.
const MAX_HOLE_NS: i64 = 1_000_000_000;
/// From a run's last picture to the next run's first one: a pause, and a frame of sound that crosses it.
const MAX_STEP_NS: i64 = MAX_HOLE_NS + 100_000_000;
/// Sound that waits for a picture is kept so far.
const MAX_HELD: usize = 1_000;

/// One track of one encoder.
#[derive(Debug, Default)]
struct Life {
    arrived: Vec<bool>,
    /// The newest that came out.
    shown: Option<u64>,
}

impl Life {
    /// Notes that a frame has arrived; whether it is the first copy.
    fn arrive(&mut self, number: u64) -> bool {
        let index = number as usize;
        if self.arrived.len() <= index {
            self.arrived.resize(index + 1, false);
        }
        !std::mem::replace(&mut self.arrived[index], true)
    }
}

#[derive(Debug)]
struct Session {
    encoder: u32,
    /// When something of it was last heard, in virtual time.
    sign_ns: u64,
}

/// Frames were passed over.
#[derive(Debug)]
struct Skip {
    after: u64,
    to: u64,
    /// For how long the frame behind the hole had waited.
    held_ns: u64,
    /// Who could have brought what lacked; nobody, while the pace is not known yet.
    there: Vec<InputId>,
}

#[derive(Debug, Default)]
struct Lane {
    last: Option<(u64, i64)>,
    /// Arrived and not out yet: decoding time, and when it arrived.
    waiting: BTreeMap<u64, (i64, u64)>,
    count: u32,
    skips: Vec<Skip>,
}

/// The run that is shown.
#[derive(Debug)]
struct Shown {
    is_slate: bool,
    epoch: Epoch,
    /// Known with its first frame.
    encoder: Option<u32>,
    tracks: [bool; 2],
    lanes: [Lane; 2],
    lead: usize,
    last_lead_ns: Option<i64>,
    /// Output time less the input's, where it is one for the whole run.
    offset_ns: Option<i64>,
}

/// How much happened: a simulation of calm weather would prove nothing.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) arrived: u64,
    pub(super) shown: u64,
    /// Frames that only the copy that came second had, or that came out of order.
    pub(super) filled: u64,
    pub(super) runs: u64,
    pub(super) slates: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    policy: Policy,
    lives: HashMap<(u32, usize), Life>,
    sessions: BTreeMap<InputId, Session>,
    run: Option<Shown>,
    /// The last lead frame of all runs.
    last_lead_ns: Option<i64>,
    pub(super) tally: Tally,
}

fn slot(track: Track) -> usize {
    usize::from(track == Track::Audio)
}

fn ns(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

impl Ledger {
    pub(super) fn new(policy: Policy) -> Self {
        let (lives, sessions) = (HashMap::new(), BTreeMap::new());
        Self { policy, lives, sessions, run: None, last_lead_ns: None, tally: Tally::default() }
    }

    pub(super) fn join(&mut self, now_ns: u64, id: InputId, encoder: u32) {
        self.sessions.insert(id, Session { encoder, sign_ns: now_ns });
    }

    pub(super) fn leave(&mut self, id: InputId) {
        self.sessions.remove(&id);
    }

    /// The process was killed: its switcher begins anew.
    pub(super) fn forget(&mut self) {
        self.sessions.clear();
        (self.run, self.last_lead_ns) = (None, None);
    }

    /// A frame arrives; to be told before the switcher has it.
    pub(super) fn arrive(&mut self, now_ns: u64, id: InputId, frame: &Frame) {
        self.tally.arrived += 1;
        let name = Name::of(&frame.data).expect("encoders name their frames");
        let at = slot(frame.track);
        let is_first = self.lives.entry((name.encoder, at)).or_default().arrive(name.number);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.sign_ns = now_ns;
        }
        let Some(run) = self.run.as_mut().filter(|run| run.encoder == Some(name.encoder) && run.tracks[at])
        else {
            return;
        };
        let lane = &mut run.lanes[at];
        if !is_first {
            return;
        }
        if lane.last.is_none_or(|(last, _)| name.number > last) {
            if lane.waiting.len() < MAX_HELD {
                lane.waiting.insert(name.number, (frame.dts_ns, now_ns));
            }
            return;
        }
        let skip = lane.skips.iter().find(|skip| skip.after < name.number && name.number < skip.to);
        let Some(skip) = skip else { return };
        let awaited = skip.there.contains(&id) && skip.held_ns < ns(self.policy.hold);
        assert!(!awaited, "{name:?} arrives, and was not waited for: {skip:?}");
    }

    /// What the switcher gives.
    pub(super) fn timed(&mut self, now_ns: u64, timed: &Timed) {
        match timed {
            Timed::Begin(start) => self.begin(start),
            Timed::Frame(frame) => self.frame(now_ns, frame),
            Timed::End => self.end(),
        }
    }

    fn begin(&mut self, start: &RunStart) {
        assert!(self.run.is_none(), "a run begins within another one");
        let first = start.video.as_ref().or(start.audio.as_ref()).expect("a run has a track");
        let is_slate = start.source == crate::live::timeline::Source::Slate;
        self.tally.runs += 1;
        self.tally.slates += u64::from(is_slate);
        self.run = Some(Shown {
            is_slate,
            epoch: first.epoch,
            encoder: None,
            tracks: [start.video.is_some(), start.audio.is_some()],
            lanes: Default::default(),
            lead: slot(first.track),
            last_lead_ns: None,
            offset_ns: None,
        });
    }

    fn frame(&mut self, now_ns: u64, frame: &Frame) {
        self.tally.shown += 1;
        let at = slot(frame.track);
        let run = self.run.as_mut().expect("frames come within a run");
        assert!(run.tracks[at], "a track comes that was not told of");
        if at == run.lead {
            if let Some(last) = run.last_lead_ns.or(self.last_lead_ns) {
                let step_ns = frame.dts_ns - last;
                assert!(step_ns > 0, "decoding times fall by {step_ns} ns");
                assert!(step_ns <= MAX_STEP_NS, "decoding times jump by {step_ns} ns");
            }
            run.last_lead_ns = Some(frame.dts_ns);
            self.last_lead_ns = Some(frame.dts_ns);
        }
        if run.is_slate {
            return;
        }
        let name = Name::of(&frame.data).expect("encoders name their frames");
        assert_eq!(*run.encoder.get_or_insert(name.encoder), name.encoder, "two encoders in one run");
        let life = self.lives.get_mut(&(name.encoder, at)).expect("what comes out has arrived");
        assert!(life.arrived[name.number as usize], "{name:?} never arrived");
        let lane = &mut run.lanes[at];
        // Sound beyond a run's last picture is nobody's, so it may come again.
        let before = if at == run.lead { life.shown } else { lane.last.map(|(last, _)| last) };
        assert!(before.is_none_or(|before| before < name.number), "{name:?} comes after {before:?}");
        life.shown = Some(name.number);
        let waited = lane.waiting.remove(&name.number);
        run.offset_ns = run.offset_ns.or(waited.map(|(dts_ns, _)| frame.dts_ns - dts_ns));
        if let Some((lost, _)) = lane.waiting.first_key_value().filter(|(number, _)| **number < name.number) {
            panic!("number {lost} of {:?} arrived and is left out before {name:?}", frame.track);
        }
        let last = lane.last.replace((name.number, frame.dts_ns)).map_or(name.number, |(last, _)| last);
        lane.count += 1;
        let between = last as usize + 1..name.number as usize;
        if between.is_empty() {
            return;
        }
        if run.epoch == Epoch::UNKNOWN {
            let lost = between.clone().find(|number| life.arrived[*number]);
            assert_eq!(lost, None, "it arrived and is left out before {name:?}");
            return;
        }
        let loss_ns = ns(self.policy.loss);
        let is_paced = lane.count > 2;
        let there = self.sessions.iter().filter(|(_, session)| {
            is_paced && session.encoder == name.encoder && now_ns.saturating_sub(session.sign_ns) < loss_ns
        });
        lane.skips.push(Skip {
            after: last,
            to: name.number,
            held_ns: waited.map_or(u64::MAX, |(_, arrived_ns)| now_ns - arrived_ns),
            there: there.map(|(id, _)| *id).collect(),
        });
        self.tally.filled += u64::from(waited.is_some_and(|(_, arrived_ns)| arrived_ns < now_ns));
    }

    fn end(&mut self) {
        let run = self.run.take().expect("a run ends that has begun");
        // What lies behind a hole that no decoder gets over is shown from the next key frame on.
        let behind = run.lanes[run.lead].waiting.first_key_value().map(|(_, (dts_ns, _))| *dts_ns);
        if let (Some(behind), Some(offset), Some(last)) = (behind, run.offset_ns, run.last_lead_ns) {
            assert!(behind + offset - last > MAX_HOLE_NS, "a run ends before what goes on");
        }
        for (at, lane) in run.lanes.iter().enumerate() {
            let belongs = |dts_ns: i64| behind.is_none_or(|behind| dts_ns < behind - MAX_HOLE_NS);
            let lost = lane.waiting.iter().find(|(_, (dts_ns, _))| belongs(*dts_ns));
            assert_eq!(lost, None, "of track {at}, which came to {:?}", lane.last);
        }
    }
}
