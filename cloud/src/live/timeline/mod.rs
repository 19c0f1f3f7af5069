//! Chooses among an event's inputs and lays their frames on one unbroken timeline.
//!
//! ```text
//!  Idle ──── an input is ready ────▶ Run ──── lost, and no other is ready ────▶ Slate
//!   ▲ │                             │ ▲ ▲                                       │ ▲
//!   │ │                             └─┘ └──────── an input is ready ────────────┘ │
//!   │ │                  lost, another is ready; main is good again                │
//!   │ └─────────────── no input, and a slate is wanted ───────────────────────────┘
//!   └── its inputs go, or no slate is wanted any more (from Run, from Slate)
//! ```
//!
//! A run is a stretch that a decoder plays without being told anything new.
//! The next run begins where the last one ended, so decoding times never fall
//! and never jump, however long nobody sent anything.
//!
//! Inputs of one epoch carry the same frames and are one source: the first copy
//! of a frame counts, and what one of them lacks is waited for for a moment. Any
//! other change of source is a new run, begun at a key frame.

mod cursor;
mod gop;
mod input;
mod member;
mod output;
mod policy;
mod run;
mod slate;

pub(crate) use input::{InputId, Now};
pub(crate) use output::{RunStart, Source, Timed};
pub(crate) use policy::Policy;
pub(crate) use slate::{Silence, Slate};

use std::time::Instant;

use member::{Group, Member};
use run::Run;
use slate::Showing;
use stagebox_media::{Epoch, Frame, Packet, Track, TrackConfig};

use crate::event::Input;

/// What a frame lasts when nothing tells.
const USUAL_FRAME_NS: i64 = 33_333_333;

#[derive(Debug)]
enum Running {
    Idle,
    Run(Box<Run>),
    Slate(Showing),
}

/// The pure core: packets of several inputs in, runs of one timeline out.
#[derive(Debug)]
pub(crate) struct Timeline {
    policy: Policy,
    members: Vec<Member>,
    running: Running,
    /// Where the next run begins.
    end_ns: i64,
    /// Until when pictures are shown: where the next run's may begin.
    shown_ns: i64,
    /// How far the last run came, if its encoder can be told from others.
    last_run: Option<(Epoch, i64)>,
    /// What is shown while there is no input; none where nothing is to be shown.
    slate: Option<Slate>,
    /// Since when there has been nothing to show.
    empty_since: Option<Instant>,
}

impl Timeline {
    /// Begins, or goes on after a restart, at `end_ns`.
    pub(crate) fn new(end_ns: i64, policy: Policy) -> Self {
        Self {
            policy,
            members: Vec::new(),
            running: Running::Idle,
            end_ns,
            shown_ns: end_ns,
            last_run: None,
            slate: None,
            empty_since: None,
        }
    }

    /// Says what is shown while there is no input, or that nothing is.
    pub(crate) fn set_slate(&mut self, now: Now, slate: Option<Slate>, out: &mut Vec<Timed>) {
        if slate.is_none() && matches!(self.running, Running::Slate(_)) {
            self.end_run(out);
        }
        self.slate = slate;
        self.empty_since = None;
        self.choose(now, out);
    }

    /// Says what another slate is to be once there is no input, where one is wanted.
    pub(crate) fn replace_slate(&mut self, slate: Option<Slate>) {
        self.slate = slate;
    }

    /// What the timeline shows just now; nothing if it stands still.
    pub(crate) fn source(&self) -> Option<Source> {
        match &self.running {
            Running::Idle => None,
            Running::Run(run) => Some(Source::Input(self.role(run.group()))),
            Running::Slate(_) => Some(Source::Slate),
        }
    }

    pub(crate) fn join(&mut self, id: InputId, role: Input) {
        self.members.push(Member::new(id, role));
    }

    /// An input has gone; another one of the same epoch goes on without a seam.
    pub(crate) fn leave(&mut self, now: Now, id: InputId, out: &mut Vec<Timed>) {
        self.members.retain(|member| member.id != id);
        self.settle(now, out);
    }

    /// Says whether there is nothing to see or to hear in what an input sends: a better one is shown instead.
    pub(crate) fn judge(&mut self, now: Now, id: InputId, is_bad: bool, out: &mut Vec<Timed>) {
        if let Some(member) = self.members.iter_mut().find(|member| member.id == id) {
            member.judge(now.instant, is_bad);
        }
        self.choose(now, out);
    }

    pub(crate) fn handle(&mut self, now: Now, id: InputId, packet: Packet, out: &mut Vec<Timed>) {
        self.tick(now, out);
        match packet {
            Packet::Config(config) => self.configure(now, id, config, out),
            Packet::Frame(frame) => self.frame(now, id, frame, out),
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Vec<Timed>) {
        match &mut self.running {
            Running::Run(_) => self.drain(now, out),
            Running::Slate(showing) => self.end_ns = showing.show(now.instant, out),
            Running::Idle => {}
        }
        self.settle(now, out);
    }

    /// When [`Timeline::tick`] has something to do next, if nothing comes before.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        match &self.running {
            Running::Idle => self.slate.as_ref().map(|_| self.empty_since.unwrap_or(now) + self.policy.loss),
            Running::Slate(showing) => Some(showing.next_at()),
            Running::Run(run) => {
                let lost = self.last_seen(run).map(|seen| seen + self.policy.loss);
                // What was lost and has no successor is looked at again when something comes.
                let lost = lost.filter(|at| *at > now);
                [run.next_deadline(&self.policy), lost].into_iter().flatten().min()
            }
        }
    }

    fn configure(&mut self, now: Now, id: InputId, config: TrackConfig, out: &mut Vec<Timed>) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else { return };
        let (group, track) = (member.group(), config.track);
        if let Running::Run(run) = &self.running
            && run.can_wait(group, track)
        {
            return member.announce(config);
        }
        let changed = member.configure(now.instant, config);
        if let Running::Run(run) = &self.running
            && changed
            && Some(run.group()) == group
            && (matches!(group, Some(Group::Alone(_))) || !run.has(track))
        {
            self.end_run(out);
        }
        self.settle(now, out);
    }

    fn frame(&mut self, now: Now, id: InputId, frame: Frame, out: &mut Vec<Timed>) {
        let Some(index) = self.members.iter().position(|member| member.id == id) else { return };
        let member = &mut self.members[index];
        if !member.heard(now.instant, &frame, self.policy.loss) {
            return;
        }
        let (group, announced) = (member.group(), member.announced());
        let is_shown = matches!(&self.running, Running::Run(run) if Some(run.group()) == group);
        if is_shown && announced.is_some() && frame.track == Track::Video && frame.key {
            self.end_run(out);
        }
        if let Running::Run(run) = &mut self.running
            && Some(run.group()) == group
            && announced != Some(frame.track)
        {
            run.take(now.instant, frame, out);
            self.drain(now, out);
        } else {
            self.wait(index, frame);
        }
        self.choose(now, out);
    }

    /// Gives on what the running run has; it ends where it cannot go on.
    fn drain(&mut self, now: Now, out: &mut Vec<Timed>) {
        let Running::Run(run) = &mut self.running else { return };
        let group = run.group();
        let beyond = run.drain(now.instant, &self.policy, &self.members, out);
        if beyond.is_empty() {
            return;
        }
        self.end_run(out);
        let lead = beyond.first().map_or(Track::Video, |frame| frame.track);
        let copies = self.members.iter().enumerate().filter(|(_, member)| member.group() == Some(group));
        if let Some((index, _)) = copies.max_by_key(|(_, member)| member.seen(lead)) {
            for frame in beyond {
                self.wait(index, frame);
            }
        }
    }

    /// Keeps a frame that is not shown.
    fn wait(&mut self, index: usize, frame: Frame) {
        let last_run = self.last_run;
        let seen = last_run.is_some_and(|(epoch, dts_ns)| epoch == frame.epoch && frame.dts_ns <= dts_ns);
        if let Some(member) = self.members.get_mut(index) {
            member.wait(frame, seen);
        }
    }

    /// Ends a run that nobody is left of, and looks what is shown next.
    fn settle(&mut self, now: Now, out: &mut Vec<Timed>) {
        if let Running::Run(run) = &self.running
            && !self.members.iter().any(|member| member.group() == Some(run.group()))
        {
            self.end_run(out);
        }
        self.choose(now, out);
    }

    /// Changes the source where that is due.
    fn choose(&mut self, now: Now, out: &mut Vec<Timed>) {
        let best = self.best(now.instant);
        match &self.running {
            Running::Idle | Running::Slate(_) => {
                if let Some(group) = best {
                    self.end_run(out);
                    self.begin(now, group, out);
                } else if matches!(self.running, Running::Idle) {
                    self.wait_for_slate(now, out);
                }
            }
            Running::Run(run) => {
                let shown = run.group();
                let seen = self.last_seen(run);
                let is_lost =
                    seen.is_none_or(|seen| now.instant.saturating_duration_since(seen) >= self.policy.loss);
                let other = best.filter(|group| *group != shown);
                let is_bad = |group| self.is_bad(now.instant, group);
                match other {
                    Some(group)
                        if is_lost
                            || (is_bad(shown) && !is_bad(group))
                            || self.is_due_back(now.instant, shown, group) =>
                    {
                        self.end_run(out);
                        self.begin(now, group, out);
                    }
                    None if is_lost && self.slate.is_some() => {
                        self.end_run(out);
                        self.empty_since = seen;
                        self.wait_for_slate(now, out);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether `group` is main, was good for long enough, and begins anew just now.
    fn is_due_back(&self, now: Instant, shown: Group, group: Group) -> bool {
        let Some(after) = self.policy.return_after else { return false };
        if self.role(shown) == Input::Main || self.role(group) != Input::Main {
            return false;
        }
        let alive = self.of(group).filter(|member| member.is_alive(now, self.policy.loss));
        let good_since = alive.filter_map(Member::good_since).min();
        let at_key = self.of(group).any(|member| member.gop.has_just_begun());
        at_key && good_since.is_some_and(|since| now.saturating_duration_since(since) >= after)
    }

    /// Whether none of a group's copies that are there is worth anything.
    fn is_bad(&self, now: Instant, group: Group) -> bool {
        self.of(group).filter(|member| member.is_alive(now, self.policy.loss)).all(Member::is_bad)
    }

    /// The group that would be shown if nothing were: one that is worth something, main before backup, and the longest
    /// there of each.
    fn best(&self, now: Instant) -> Option<Group> {
        let ready = self.members.iter().filter(|member| {
            member.is_alive(now, self.policy.loss) && member.ready(self.policy.loss, now).is_some()
        });
        ready.min_by_key(|member| (member.is_bad(), member.role, member.good_since())).and_then(Member::group)
    }

    fn begin(&mut self, now: Now, group: Group, out: &mut Vec<Timed>) {
        let role = self.role(group);
        let loss = self.policy.loss;
        // The one that has most of its group of pictures leads; copies of others are told apart by their times.
        let alive = self.of(group).filter(|member| member.is_alive(now.instant, loss));
        let candidates = alive.filter_map(|member| Some((member, member.ready(loss, now.instant)?)));
        let Some((leader, lead)) = candidates.max_by_key(|(member, _)| member.gop.reach()) else { return };
        let Some(first) = leader.gop.first(lead) else { return };
        let (first_pts_ns, first_dts_ns) = (first.pts_ns, first.dts_ns);
        let (leader_id, video, audio) = (leader.id, leader.video.clone(), leader.audio.clone());
        let tracks = [video.is_some(), audio.is_some()];
        out.push(Timed::Begin(RunStart {
            source: Source::Input(role),
            video,
            audio,
            start_unix_ms: now.unix_ms,
        }));
        let offset_ns =
            self.end_ns.saturating_sub(first_dts_ns).max(self.shown_ns.saturating_sub(first_pts_ns));
        let mut run = Run::new(group, lead, tracks, offset_ns);
        let mut kept: Vec<(bool, Vec<Frame>)> = Vec::new();
        for member in self.members.iter_mut().filter(|member| member.group() == Some(group)) {
            kept.push((member.id != leader_id, member.gop.take()));
        }
        // The leader's first.
        kept.sort_by_key(|(follows, _)| *follows);
        let mut clock = gop::Clock::default();
        for frame in kept.into_iter().flat_map(|(_, frames)| frames) {
            let belongs =
                if frame.track == lead { frame.dts_ns >= first_dts_ns } else { frame.pts_ns >= first_pts_ns };
            // What comes after the only copy's clock was set back is later, whatever it says.
            let is_after = matches!(group, Group::Alone(_)) && clock.was_set_back(&frame, lead);
            if belongs || is_after {
                run.take(now.instant, frame, out);
            }
        }
        self.empty_since = None;
        self.running = Running::Run(Box::new(run));
        self.drain(now, out);
    }

    /// Shows the slate once there has been nothing for as long as makes a loss.
    fn wait_for_slate(&mut self, now: Now, out: &mut Vec<Timed>) {
        let since = *self.empty_since.get_or_insert(now.instant);
        let Some(slate) = &self.slate else { return };
        if now.instant.saturating_duration_since(since) < self.policy.loss {
            return;
        }
        let missed_ms = now.instant.saturating_duration_since(since).as_millis();
        out.push(Timed::Begin(RunStart {
            source: Source::Slate,
            video: Some(slate.video().clone()),
            audio: slate.audio().cloned(),
            start_unix_ms: now.unix_ms.saturating_sub(i64::try_from(missed_ms).unwrap_or(0)),
        }));
        let mut showing = Showing::new(slate.clone(), since, self.end_ns.max(self.shown_ns));
        // What was missed is made up for, so that the timeline is as long as the time.
        self.end_ns = showing.show(now.instant, out);
        self.running = Running::Slate(showing);
    }

    fn end_run(&mut self, out: &mut Vec<Timed>) {
        match std::mem::replace(&mut self.running, Running::Idle) {
            Running::Idle => return,
            Running::Slate(showing) => self.end_ns = self.end_ns.max(showing.end_ns()),
            Running::Run(mut run) => {
                run.flush(out);
                self.shown_ns = self.shown_ns.max(run.shown_until_ns());
                self.last_run = run.reached();
                self.end_ns = self.end_ns.max(run.end_ns());
                self.members.iter_mut().for_each(Member::adopt);
            }
        }
        out.push(Timed::End);
    }

    fn of(&self, group: Group) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.group() == Some(group))
    }

    /// When something of a run came last without which there is nothing to show.
    fn last_seen(&self, run: &Run) -> Option<Instant> {
        self.of(run.group()).filter_map(|member| member.seen(run.lead())).max()
    }

    /// A group that has main in it is main.
    fn role(&self, group: Group) -> Input {
        self.of(group).map(|member| member.role).min().unwrap_or(Input::Backup)
    }
}

#[cfg(test)]
mod tests;
