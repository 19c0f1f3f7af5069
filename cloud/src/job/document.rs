//! What the store keeps of a job, and how the API shows it.

use crate::clock::Timestamp;
use crate::id::{JobId, UserId};
use crate::store::{Account, Document, Index, IndexKey, Owner, Versioned};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use utoipa::ToSchema;

/// All jobs by time.
pub(super) const BY_TIME: &str = "time";
/// By state, then time.
pub(super) const BY_STATE: &str = "state";
/// By kind, then time.
pub(super) const BY_KIND: &str = "kind";
/// By kind and state, then time.
pub(super) const BY_KIND_AND_STATE: &str = "kind_state";
/// Those that have ended, by when they did.
pub(super) const BY_END: &str = "end";

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Of a hundred; absent while nobody can tell.
    pub percent: Option<u8>,
    /// What it does just now.
    pub words: String,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum JobState {
    /// It begins at `run_at` or, if all places are taken, when one is free.
    Waiting {
        /// The earliest time.
        run_at: Timestamp,
        /// Why the last attempt failed, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// It is worked on.
    Running {
        /// How far it has come.
        progress: Progress,
        /// Whether it is told to end.
        cancelling: bool,
    },
    /// It came to its end.
    Done {
        /// When.
        ended_at: Timestamp,
        /// What came of it.
        words: String,
    },
    /// It did not, and is not tried any more.
    Failed {
        /// When it was given up.
        ended_at: Timestamp,
        /// Why.
        error: String,
    },
    /// Somebody did not want it any more.
    Cancelled {
        /// When it ended.
        ended_at: Timestamp,
    },
}

impl JobState {
    /// When it ended, if it has.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { .. } | Self::Running { .. } => None,
            Self::Done { ended_at, .. } | Self::Failed { ended_at, .. } | Self::Cancelled { ended_at } => {
                Some(*ended_at)
            }
        }
    }

    /// Its name without its data.
    pub fn name(&self) -> StateName {
        match self {
            Self::Waiting { .. } => StateName::Waiting,
            Self::Running { .. } => StateName::Running,
            Self::Done { .. } => StateName::Done,
            Self::Failed { .. } => StateName::Failed,
            Self::Cancelled { .. } => StateName::Cancelled,
        }
    }
}

/// The name of a state, as lists are filtered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
pub enum StateName {
    /// Not begun, or to be begun again.
    Waiting,
    /// Worked on.
    Running,
    /// At its end.
    Done,
    /// Given up.
    Failed,
    /// Not wanted any more.
    Cancelled,
}

impl StateName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for StateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| "must be waiting, running, done, failed or cancelled".to_owned())
    }
}

/// Something long that the server does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id, and the id of its queue's entry.
    pub id: JobId,
    /// Whose; the system's own are the first account's.
    pub account: Account,
    /// What kind of work it is.
    pub kind: String,
    /// The id of what it is done to.
    pub subject: Option<String>,
    /// What it does, in words.
    pub title: String,
    /// Who asked for it; none where the system did.
    pub asked_by: Option<UserId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was begun for the first time.
    pub started_at: Option<Timestamp>,
    /// How often it was begun; a server that stops in good order gives its attempt back.
    pub attempts: u32,
    /// How often it is begun at most.
    pub max_attempts: u32,
    /// Where it stands.
    #[serde(flatten)]
    pub state: JobState,
}

impl Document for Job {
    const KIND: &'static str = "job";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let state = self.state.name().as_str();
        let mut indexes = vec![
            Index::many(BY_TIME, IndexKey::of(self.account).time(self.created_at)),
            Index::many(BY_STATE, IndexKey::of(self.account).text(state).time(self.created_at)),
            Index::many(BY_KIND, IndexKey::of(self.account).text(&self.kind).time(self.created_at)),
            Index::many(
                BY_KIND_AND_STATE,
                IndexKey::of(self.account).text(&self.kind).text(state).time(self.created_at),
            ),
        ];
        if let Some(ended_at) = self.state.ended_at() {
            indexes.push(Index::many(BY_END, IndexKey::new().time(ended_at)));
        }
        indexes
    }
}

/// A job as the API shows it: the same fields in every state, those without a value null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// What kind of work it is.
    pub kind: String,
    /// The id of what it is done to.
    #[schema(required)]
    pub subject: Option<String>,
    /// What it does, in words.
    pub title: String,
    /// Where it stands.
    pub state: StateName,
    /// Of a hundred; `null` while nobody can tell.
    #[schema(required, minimum = 0, maximum = 100)]
    pub percent: Option<u8>,
    /// What it does just now, or what came of it.
    #[schema(required)]
    pub words: Option<String>,
    /// Why it failed, or why its last attempt did.
    #[schema(required)]
    pub error: Option<String>,
    /// Whether it is told to end.
    pub cancelling: bool,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it is begun at most.
    pub max_attempts: u32,
    /// Who asked for it.
    #[schema(required)]
    pub asked_by: Option<UserId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// While it waits: the earliest time of the next attempt.
    #[schema(required)]
    pub run_at: Option<Timestamp>,
    /// When it was begun for the first time.
    #[schema(required)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(required)]
    pub ended_at: Option<Timestamp>,
    /// Goes up with each change.
    pub version: u64,
}

impl From<Versioned<Job>> for JobView {
    fn from(found: Versioned<Job>) -> Self {
        let Versioned { version, document: job } = found;
        let (state, ended_at) = (job.state.name(), job.state.ended_at());
        let mut view = Self {
            id: job.id,
            kind: job.kind,
            subject: job.subject,
            title: job.title,
            state,
            percent: None,
            words: None,
            error: None,
            cancelling: false,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            asked_by: job.asked_by,
            created_at: job.created_at,
            run_at: None,
            started_at: job.started_at,
            ended_at,
            version,
        };
        match job.state {
            JobState::Waiting { run_at, error } => (view.run_at, view.error) = (Some(run_at), error),
            JobState::Running { progress, cancelling } => {
                view.percent = progress.percent;
                view.words = Some(progress.words).filter(|words| !words.is_empty());
                view.cancelling = cancelling;
            }
            JobState::Done { words, .. } => (view.percent, view.words) = (Some(100), Some(words)),
            JobState::Failed { error, .. } => view.error = Some(error),
            JobState::Cancelled { .. } => {}
        }
        view
    }
}
