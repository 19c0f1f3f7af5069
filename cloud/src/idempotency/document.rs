//! What the store keeps of a request with a key.

use crate::clock::Timestamp;
use crate::id::UserId;
use crate::secret::{HoldsSecrets, Sealed, Sealing, SecretError};
use crate::store::{Account, Document, Index, IndexKey, Owner};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The index by account, the oldest first.
pub(super) const BY_ACCOUNT: &str = "account";
/// The index of all, the oldest first.
pub(super) const BY_AGE: &str = "age";

/// A request that was sent with a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyedRequest {
    /// The hash of whose key it is.
    pub(super) id: String,
    pub(super) account: Account,
    pub(super) user: UserId,
    pub(super) begun_at: Timestamp,
    /// What tells it from another request, sealed: a password may be in it.
    pub(super) print: Sealed,
    pub(super) state: State,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum State {
    /// A process is about it.
    Running {
        /// The process's name.
        node: String,
        /// Which start of it.
        start: String,
    },
    /// It was carried out, but nobody knows its answer.
    Lost,
    /// It was answered.
    Answered {
        /// The answer, sealed: it may hold what is shown only once.
        answer: Sealed,
    },
}

impl KeyedRequest {
    fn context(&self, what: &str) -> String {
        format!("{}/{what}", self.id)
    }

    /// What the print is sealed for.
    pub(super) fn of_print(&self) -> String {
        self.context("print")
    }

    /// What the answer is sealed for.
    pub(super) fn of_answer(&self) -> String {
        self.context("answer")
    }
}

impl HoldsSecrets for KeyedRequest {
    fn reseal(&mut self, sealing: &Sealing<'_>) -> Result<bool, SecretError> {
        let (of_print, of_answer) = (self.of_print(), self.of_answer());
        let mut secrets = vec![(of_print, &mut self.print)];
        if let State::Answered { answer } = &mut self.state {
            secrets.push((of_answer, answer));
        }
        let mut was = false;
        for (context, sealed) in secrets {
            if let Some(secret) = sealing.open_old(&context, sealed)? {
                *sealed = sealing.seal::<Self>(&context, &secret);
                was = true;
            }
        }
        Ok(was)
    }
}

impl Document for KeyedRequest {
    const KIND: &'static str = "keyed_request";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::many(BY_ACCOUNT, IndexKey::of(self.account).time(self.begun_at)),
            Index::many(BY_AGE, IndexKey::new().time(self.begun_at)),
        ]
    }

    /// Nobody is told, and sealed anew it is the same.
    fn journal_view(&self) -> Value {
        Value::Null
    }
}

/// Rides along with a request's first change: it has taken effect, whatever became of its answer.
///
/// Only one can be made of a request, so that a second run of it cannot take effect as well; it stays as long as the key is
/// known, for a process that was taken for dead and wakes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) id: String,
}

impl Document for Mark {
    const KIND: &'static str = "keyed_effect";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(&self.id)
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}
