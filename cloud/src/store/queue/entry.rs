//! One entry of a queue: a pure machine over a document.
//!
//! ```text
//!   push            lease               complete
//! ───────▶ waiting ───────▶ leased ──────────────▶ gone; done for a while where it has a key
//!           ▲   ▲            │ │ ▲
//!           │   └─ fail ─────┤ │ └─ lease again, once the lease has run out
//!           │      give back │ │
//!           │                ▼ │ give up, or failed for the last time
//!           └── put back ── dead
//! ```
//!
//! Each lease has a token, one higher than the lease before it: whoever comes with an
//! older one has been overtaken, whatever it believes of the time.

use super::super::{Document, Index, IndexKey, Owner};
use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// What waits or is leased, by queue, priority and when it is due.
pub(super) const DUE: &str = "due";
/// What is leased, by queue and holder.
pub(super) const HELD: &str = "held";
/// By queue and key.
pub(super) const KEY: &str = "key";
/// Dead letters, by queue and time.
pub(super) const DEAD: &str = "dead";
/// What is done and kept for its key, by queue and time.
pub(super) const DONE: &str = "done";
/// Longest text of an error that is kept, in characters.
const MAX_ERROR: usize = 500;

/// Which of the due entries come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for it.
    High,
    /// In its turn.
    #[default]
    Normal,
    /// When nothing else is due.
    Low,
}

impl Priority {
    /// All of them, the first to be served first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    fn rank(self) -> u64 {
        self as u64
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EntryState {
    /// To be leased from `run_at` on.
    Waiting {
        /// When it is due.
        run_at: Timestamp,
        /// Why the last attempt failed, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Somebody works on it, until `until` unless it says that it still does.
    Leased {
        /// From then on anybody may lease it.
        until: Timestamp,
        /// Who has it.
        holder: String,
    },
    /// Given up; kept so that a person can look at it and put it back.
    Dead {
        /// Since when.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// Completed; kept for its key's sake.
    Done {
        /// When.
        at: Timestamp,
    },
}

/// An entry of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEntry {
    /// Its id, never used again.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Its priority.
    pub priority: Priority,
    /// A second push with the same key changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it is about.
    pub payload: Value,
    /// How often it was leased; a lease that was given back does not count.
    pub attempts: u32,
    /// How often at most; without it the leaseholder decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The token of its newest lease.
    pub fence: u64,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// Where it stands.
    #[serde(flatten)]
    pub state: EntryState,
}

/// What a leaseholder does with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    /// It goes on working on it for so long at least.
    Extend(Duration),
    /// It is done.
    Complete,
    /// It failed: again after the wait, or never if this was the last attempt.
    Fail {
        /// Why.
        error: String,
        /// How long to wait.
        wait: Duration,
    },
    /// It failed, and trying again is of no use.
    GiveUp {
        /// Why.
        error: String,
    },
    /// Somebody else shall do it, at once; the attempt does not count.
    GiveBack,
}

/// What has become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// It is there no more.
    Gone,
    /// It is kept like this.
    Kept(QueueEntry),
}

impl QueueEntry {
    /// When it is to be looked at next; none if it rests.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match &self.state {
            EntryState::Waiting { run_at, .. } => Some(*run_at),
            EntryState::Leased { until, .. } => Some(*until),
            EntryState::Dead { .. } | EntryState::Done { .. } => None,
        }
    }

    /// Whether it can be leased now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// The entry as `holder` leases it; dead if it was leased too often already.
    pub(super) fn lease(&self, now: Timestamp, holder: &str, length: Duration) -> Self {
        if self.max_attempts.is_some_and(|most| self.attempts >= most) {
            let error = format!("nobody who leased it came to an end, {} times", self.attempts);
            return self.with(EntryState::Dead { at: now, error });
        }
        Self {
            attempts: self.attempts.saturating_add(1),
            fence: self.fence + 1,
            ..self.with(EntryState::Leased { until: now.plus(length), holder: holder.to_owned() })
        }
    }

    /// Whether the lease with this token is the one that counts.
    pub(super) fn is_held(&self, fence: u64) -> bool {
        self.fence == fence && matches!(self.state, EntryState::Leased { .. })
    }

    /// What becomes of a leased entry.
    pub(super) fn settle(&self, now: Timestamp, how: &Settle) -> After {
        let state = match how {
            Settle::Complete if self.key.is_none() => return After::Gone,
            Settle::Complete => {
                return After::Kept(Self { payload: Value::Null, ..self.with(EntryState::Done { at: now }) });
            }
            Settle::Extend(length) => {
                let holder = match &self.state {
                    EntryState::Leased { holder, .. } => holder.clone(),
                    _ => String::new(),
                };
                EntryState::Leased { until: now.plus(*length), holder }
            }
            Settle::Fail { error, .. } if self.max_attempts.is_some_and(|most| self.attempts >= most) => {
                EntryState::Dead { at: now, error: short(error) }
            }
            Settle::Fail { error, wait } => {
                EntryState::Waiting { run_at: now.plus(*wait), error: Some(short(error)) }
            }
            Settle::GiveUp { error } => EntryState::Dead { at: now, error: short(error) },
            Settle::GiveBack => {
                let state = EntryState::Waiting { run_at: now, error: None };
                return After::Kept(Self { attempts: self.attempts.saturating_sub(1), ..self.with(state) });
            }
        };
        After::Kept(self.with(state))
    }

    /// A leased entry whose holder is known to be gone; the attempt counts.
    pub(super) fn taken_back(&self, now: Timestamp) -> Self {
        let error = Some("whoever worked on it ended in the midst of it".to_owned());
        self.with(EntryState::Waiting { run_at: now, error })
    }

    /// A dead letter as it is tried anew; none if it is not dead.
    pub(super) fn put_back(&self, now: Timestamp) -> Option<Self> {
        let EntryState::Dead { error, .. } = &self.state else { return None };
        let state = EntryState::Waiting { run_at: now, error: Some(error.clone()) };
        Some(Self { attempts: 0, ..self.with(state) })
    }

    fn with(&self, state: EntryState) -> Self {
        Self { state, ..self.clone() }
    }
}

fn short(error: &str) -> String {
    error.chars().take(MAX_ERROR).collect()
}

impl Document for QueueEntry {
    const KIND: &'static str = "queue_entry";
    const JOURNALED: bool = false;

    /// What it is about has its id, as a job has.
    fn owner(&self) -> Owner {
        Owner::of(&self.id)
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        let queue = || IndexKey::new().text(&self.queue);
        let mut indexes = Vec::new();
        if let Some(due) = self.due() {
            indexes.push(Index::many(DUE, queue().number(self.priority.rank()).time(due)));
        }
        match &self.state {
            EntryState::Waiting { .. } => {}
            EntryState::Leased { holder, .. } => indexes.push(Index::many(HELD, queue().text(holder))),
            EntryState::Dead { at, .. } => indexes.push(Index::many(DEAD, queue().time(*at))),
            EntryState::Done { at } => indexes.push(Index::many(DONE, queue().time(*at))),
        }
        if let Some(key) = &self.key {
            indexes.push(Index::unique(KEY, by_key(&self.queue, key)));
        }
        indexes
    }
}

/// The place of a key, which may be longer than an index takes.
pub(super) fn by_key(queue: &str, key: &str) -> IndexKey {
    IndexKey::new().text(queue).bytes::<32>(Sha256::digest(key).into())
}

/// The place of what is due, by priority.
pub(super) fn by_priority(queue: &str, priority: Priority) -> IndexKey {
    IndexKey::new().text(queue).number(priority.rank())
}
