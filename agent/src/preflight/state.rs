//! The rules of a test: what has its turn, how long that may take, and how it ends. Pure.
//!
//! ```text
//!           start              the last finding
//!   Idle ──────────▶ Running ───────────────────▶ Over
//!                    │  ▲  │ cancel                │
//!       finding, or  └──┘  └──────────────────────▶│
//!       too late: the next          start ◀────────┘
//! ```

use std::time::{Duration, Instant};

use stagebox_protocol::preflight::{Preflight, PreflightCheck, PreflightState, PreflightVerdict};
use stagebox_protocol::{OutputRole, Timestamp};

use super::Finding;

/// Of what is under way, so much counts as done at most: it may take longer than usual.
const MOST_UNDER_WAY_PERCENT: u32 = 95;

/// One thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Source,
    Sound,
    Encoder,
    Room,
    Disk,
    Clock,
    Output(OutputRole),
    Upload,
}

impl Check {
    /// Everything, in the order in which it is looked at: what is measured disturbs nothing else.
    pub(super) const ALL: [Self; 11] = [
        Self::Source,
        Self::Sound,
        Self::Encoder,
        Self::Room,
        Self::Disk,
        Self::Clock,
        Self::Output(OutputRole::Main),
        Self::Output(OutputRole::Backup),
        Self::Output(OutputRole::Third),
        Self::Output(OutputRole::Fourth),
        Self::Upload,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sound => "sound",
            Self::Encoder => "encoder",
            Self::Room => "room",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::Output(role) => role.name(),
            Self::Upload => "upload",
        }
    }

    /// How long it usually takes, and at most.
    fn lasts(self, upload: Duration) -> (Duration, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Self::Source | Self::Clock | Self::Room => (Duration::from_millis(100), seconds(5)),
            Self::Sound => (seconds(1), seconds(6)),
            Self::Encoder => (seconds(4), seconds(20)),
            Self::Disk => (seconds(1), seconds(10)),
            Self::Output(_) => (seconds(1), seconds(25)),
            Self::Upload => (upload + seconds(1), upload + seconds(20)),
        }
    }
}

/// The time, as the rules need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) unix_ms: i64,
}

#[derive(Debug)]
pub(super) enum Input {
    /// Look at all of these; nothing happens while a test runs.
    Start { run: u64, checks: Vec<Check>, upload: Duration },
    /// What was begun with [`Action::Begin`] is over.
    Found { run: u64, check: Check, finding: Finding },
    /// The reason stands beside what was under way.
    Cancel { reason: &'static str },
    /// Time went by.
    Tick,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Look at this, and answer with [`Input::Found`].
    Begin { run: u64, check: Check, upload: Duration },
    /// What was begun last is not wanted any more.
    Abort,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Running(Running),
    Over { run: u64, test: Preflight },
}

#[derive(Debug)]
struct Running {
    run: u64,
    upload: Duration,
    started_at: Timestamp,
    checks: Vec<Check>,
    /// Of the first of them; the next one has its turn.
    findings: Vec<Finding>,
    turn_since: Instant,
}

/// One test at a time, and the last one when it is over.
#[derive(Debug)]
pub(super) struct Test(Phase);

impl Test {
    pub(super) fn new() -> Self {
        Self(Phase::Idle)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.0, Phase::Running(_))
    }

    /// When [`Input::Tick`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.0 {
            Phase::Running(running) => running.deadline(),
            Phase::Idle | Phase::Over { .. } => None,
        }
    }

    /// The number of the test there is, and how far it came.
    pub(super) fn view(&self, now: Instant) -> Option<(u64, Preflight)> {
        match &self.0 {
            Phase::Idle => None,
            Phase::Running(running) => {
                Some((running.run, running.shown(PreflightState::Running, running.percent(now), None)))
            }
            Phase::Over { run, test } => Some((*run, test.clone())),
        }
    }

    pub(super) fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Action>) {
        match (&mut self.0, input) {
            (Phase::Idle | Phase::Over { .. }, Input::Start { run, checks, upload }) => {
                self.0 = Phase::Running(Running {
                    run,
                    upload,
                    started_at: Timestamp::from_unix_ms(now.unix_ms),
                    checks,
                    findings: Vec::new(),
                    turn_since: now.instant,
                });
                self.go_on(now, out);
            }
            (Phase::Running(running), Input::Found { run, check, finding })
                if run == running.run && running.turn() == Some(check) =>
            {
                running.findings.push(finding);
                self.go_on(now, out);
            }
            (Phase::Running(running), Input::Tick)
                if running.deadline().is_some_and(|deadline| now.instant >= deadline) =>
            {
                out.push(Action::Abort);
                running.findings.push(running.too_late());
                self.go_on(now, out);
            }
            (Phase::Running(running), Input::Cancel { reason }) => {
                out.push(Action::Abort);
                running.findings.push(Finding::skipped(reason));
                let percent = running.percent(now.instant);
                self.end(now, PreflightState::Cancelled, percent);
            }
            _ => {}
        }
    }

    /// Begins with what has its turn, or ends.
    fn go_on(&mut self, now: Now, out: &mut Vec<Action>) {
        let Phase::Running(running) = &mut self.0 else { return };
        running.turn_since = now.instant;
        if let Some(check) = running.turn() {
            out.push(Action::Begin { run: running.run, check, upload: running.upload });
            return;
        }
        let any = |verdict| running.findings.iter().any(|finding| finding.verdict == verdict);
        let state = if any(PreflightVerdict::Fail) {
            PreflightState::Failed
        } else if any(PreflightVerdict::Warn) {
            PreflightState::Warned
        } else {
            PreflightState::Passed
        };
        self.end(now, state, 100);
    }

    fn end(&mut self, now: Now, state: PreflightState, percent: u8) {
        let Phase::Running(running) = &self.0 else { return };
        let test = running.shown(state, percent, Some(Timestamp::from_unix_ms(now.unix_ms)));
        self.0 = Phase::Over { run: running.run, test };
    }
}

impl Running {
    fn turn(&self) -> Option<Check> {
        self.checks.get(self.findings.len()).copied()
    }

    fn deadline(&self) -> Option<Instant> {
        self.turn().map(|check| self.turn_since + check.lasts(self.upload).1)
    }

    fn too_late(&self) -> Finding {
        let limit = self.turn().map_or(0, |check| check.lasts(self.upload).1.as_secs());
        match self.turn() {
            Some(Check::Room | Check::Disk) => Finding::fail(
                format!("the disk has not answered for {limit} s"),
                "look at the disk for recordings and its plug, and at the box's log",
            ),
            _ => Finding::fail(
                format!("this was not known after {limit} s"),
                "test again; if it stays so, look at the box's log",
            ),
        }
    }

    /// By the time that everything usually takes.
    fn percent(&self, now: Instant) -> u8 {
        let usual = |check: &Check| check.lasts(self.upload).0.as_millis();
        let whole: u128 = self.checks.iter().map(usual).sum();
        let done: u128 = self.checks.iter().take(self.findings.len()).map(usual).sum();
        let under_way = self.turn().map_or(0, |check| {
            let most = usual(&check) * u128::from(MOST_UNDER_WAY_PERCENT) / 100;
            now.saturating_duration_since(self.turn_since).as_millis().min(most)
        });
        let percent = (done + under_way) * 100 / whole.max(1);
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    fn shown(&self, state: PreflightState, percent: u8, finished_at: Option<Timestamp>) -> Preflight {
        let is_over = finished_at.is_some();
        let shown = |(index, check): (usize, &Check)| {
            let name = check.name().to_owned();
            match self.findings.get(index) {
                Some(Finding { verdict, said, fix, .. }) => {
                    PreflightCheck { name, verdict: *verdict, said: said.clone(), fix: fix.clone() }
                }
                None => {
                    let verdict = match index {
                        _ if is_over => PreflightVerdict::Skipped,
                        _ if index == self.findings.len() => PreflightVerdict::Running,
                        _ => PreflightVerdict::Waiting,
                    };
                    PreflightCheck { name, verdict, said: String::new(), fix: None }
                }
            }
        };
        Preflight {
            state,
            percent,
            started_at: self.started_at,
            finished_at,
            checks: self.checks.iter().enumerate().map(shown).collect(),
            upload_kbps: self.findings.iter().find_map(|finding| finding.upload_kbps),
        }
    }
}
