//! What may become of a job: one pure machine.
//!
//! ```text
//!            begin                    done
//! waiting ─────────────▶ running ──────────────▶ done
//!  ▲ ▲ │                 │ │ │ │  out of attempts, or hopeless
//!  │ │ │   failed, or    │ │ │ └───────────────▶ failed ──┐ retry
//!  │ │ │   given back    │ │ │                            │
//!  │ └─┼─────────────────┘ │ └ begin again after a crash  │
//!  │   │ cancel            │ cancel, at the next heartbeat│
//!  │   └───────────────────┴──▶ cancelled                 │
//!  └──────────────────────────────────────────────────────┘
//! ```

use super::document::{Job, JobState, Progress};
use super::work::WorkError;
use crate::clock::Timestamp;
use crate::store::{Backoff, Settle};
use std::time::Duration;

/// The waits between attempts.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(2), most: Duration::from_secs(300) };
/// Longest words of a progress or an error, in characters.
const MAX_WORDS: usize = 500;

/// What to do with a job that was leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begin {
    /// Work on it.
    Run(Job),
    /// End it like this without working on it.
    End(Job, Settle),
    /// It has ended already.
    Leftover,
}

/// Why an attempt is told to end early; the first reason counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A user does not want it any more.
    Cancelled,
    /// The server stops.
    Stopping,
    /// Somebody else has taken it up.
    Lost,
}

/// How an attempt came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Done { words: String },
    Again { error: String, wait: Duration },
    Failed { error: String },
    Cancelled,
    GivenBack,
}

impl Verdict {
    /// Decides from what the work returned and why it was told to end, if it was; none if it is not ours to decide.
    pub(super) fn of(
        result: Result<&str, &WorkError>,
        why: Option<Why>,
        attempts: u32,
        max_attempts: u32,
        random: u64,
    ) -> Option<Self> {
        let error = match (result, why) {
            // Done is done, even where it was not wanted any more.
            (Ok(words), _) => return Some(Self::Done { words: short(words) }),
            (Err(_), Some(Why::Lost)) => return None,
            (Err(_), Some(Why::Cancelled)) => return Some(Self::Cancelled),
            (Err(_), Some(Why::Stopping)) => return Some(Self::GivenBack),
            (Err(error), None) => error,
        };
        let words = short(&error.to_string());
        let hopeless = matches!(error, WorkError::Hopeless { .. });
        if hopeless || attempts >= max_attempts {
            return Some(Self::Failed { error: words });
        }
        Some(Self::Again { error: words, wait: BACKOFF.wait(attempts, random) })
    }

    /// What its queue's entry comes to.
    pub(super) fn settle(&self) -> Settle {
        match self {
            Self::Done { .. } | Self::Cancelled => Settle::Complete,
            Self::Again { error, wait } => Settle::Fail { error: error.clone(), wait: *wait },
            // Kept with its queue's dead letters, so that a retry takes it up from there.
            Self::Failed { error } => Settle::GiveUp { error: error.clone() },
            Self::GivenBack => Settle::GiveBack,
        }
    }
}

/// What a cancel does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cancel {
    /// It is over.
    AtOnce(Job),
    /// Whoever works on it is told.
    Told(Job),
    /// It is told already.
    ToldBefore,
}

impl Job {
    /// The job as an attempt on it begins.
    pub(super) fn begin(&self, now: Timestamp, attempts: u32) -> Begin {
        match &self.state {
            JobState::Done { .. } | JobState::Failed { .. } | JobState::Cancelled { .. } => Begin::Leftover,
            JobState::Running { cancelling: true, .. } => {
                Begin::End(self.with(JobState::Cancelled { ended_at: now }), Settle::Complete)
            }
            JobState::Waiting { .. } | JobState::Running { .. } if attempts > self.max_attempts => {
                let error = format!("it was begun {} times and never came to an end", self.max_attempts);
                let settle = Settle::GiveUp { error: error.clone() };
                Begin::End(self.with(JobState::Failed { ended_at: now, error }), settle)
            }
            JobState::Waiting { .. } | JobState::Running { .. } => {
                let state = JobState::Running { progress: Progress::default(), cancelling: false };
                let started_at = self.started_at.or(Some(now));
                Begin::Run(Self { attempts, started_at, ..self.with(state) })
            }
        }
    }

    /// Whether whoever works on it is to end.
    pub(super) fn is_cancelling(&self) -> bool {
        matches!(self.state, JobState::Running { cancelling: true, .. })
    }

    /// The job with another progress; none if there is nothing to write.
    pub(super) fn report(&self, progress: &Progress) -> Option<Self> {
        let percent = progress.percent.map(|percent| percent.min(100));
        let progress = Progress { percent, words: short(&progress.words) };
        match &self.state {
            JobState::Running { progress: known, cancelling } if *known != progress => {
                Some(self.with(JobState::Running { progress, cancelling: *cancelling }))
            }
            _ => None,
        }
    }

    /// The job after an attempt.
    pub(super) fn end(&self, now: Timestamp, verdict: &Verdict) -> Self {
        let waiting =
            |after: Duration, error: Option<String>| JobState::Waiting { run_at: now.plus(after), error };
        match verdict {
            Verdict::Done { words } => self.with(JobState::Done { ended_at: now, words: words.clone() }),
            Verdict::Cancelled => self.with(JobState::Cancelled { ended_at: now }),
            Verdict::Failed { error } => self.with(JobState::Failed { ended_at: now, error: error.clone() }),
            // Nobody may go on with what a user has cancelled meanwhile.
            Verdict::Again { .. } | Verdict::GivenBack if self.is_cancelling() => {
                self.with(JobState::Cancelled { ended_at: now })
            }
            Verdict::Again { error, wait } => self.with(waiting(*wait, Some(error.clone()))),
            Verdict::GivenBack => {
                Self { attempts: self.attempts.saturating_sub(1), ..self.with(waiting(Duration::ZERO, None)) }
            }
        }
    }

    /// The job as a user cancels it; refused in words.
    pub(super) fn cancel(&self, now: Timestamp) -> Result<Cancel, String> {
        match &self.state {
            JobState::Waiting { .. } => Ok(Cancel::AtOnce(self.with(JobState::Cancelled { ended_at: now }))),
            JobState::Running { cancelling: true, .. } => Ok(Cancel::ToldBefore),
            JobState::Running { progress, .. } => {
                let state = JobState::Running { progress: progress.clone(), cancelling: true };
                Ok(Cancel::Told(self.with(state)))
            }
            ended => Err(format!("the job has ended already: it is {}", ended.name().as_str())),
        }
    }

    /// The job as a user has it tried again; refused in words.
    pub(super) fn retry(&self, now: Timestamp) -> Result<Self, String> {
        match &self.state {
            JobState::Failed { error, .. } => {
                let state = JobState::Waiting { run_at: now, error: Some(error.clone()) };
                Ok(Self { attempts: 0, ..self.with(state) })
            }
            other => {
                let name = other.name().as_str();
                Err(format!("only a job that failed can be tried again: this one is {name}"))
            }
        }
    }

    /// Whether it has been listed for long enough.
    pub(super) fn is_over(&self, now: Timestamp, keep: Duration) -> bool {
        self.state.ended_at().is_some_and(|ended| ended.plus(keep) <= now)
    }

    fn with(&self, state: JobState) -> Self {
        Self { state, ..self.clone() }
    }
}

fn short(words: &str) -> String {
    words.chars().take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests;
