//! What the data knows of its key, and of a change of keys.

use super::{SecretError, Vault};
use crate::alarm::Alarms;
use crate::store::{Document, Owner, Store, StoreError, Versioned};
use serde::{Deserialize, Serialize};

/// What an operator should do about the keys.
const ALARM: &str = "secrets-key";
/// The one key check's id.
const KEY_CHECK: &str = "key";

/// Where a change of keys stands.
///
/// ```text
/// Settled ──(the new key is in the key file)──▶ Announced ──(every process knows it)──▶ Rewriting
///    ▲                                                                                    │
///    └──────────────────(nothing is sealed with the old key any more)─────────────────────┘
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// One key does all.
    #[default]
    Settled,
    /// Another key is ready; nothing is sealed with it yet.
    Announced {
        /// What is known of it.
        next: String,
    },
    /// Another key seals; what the old one sealed is being sealed anew.
    Rewriting {
        /// What is known of the old one.
        old: String,
    },
}

impl Stage {
    /// For the log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Announced { .. } => "announced",
            Self::Rewriting { .. } => "rewriting",
        }
    }
}

/// What the data knows of its keys: enough to tell others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyCheck {
    /// The key that seals.
    pub(super) fingerprint: String,
    #[serde(default)]
    pub(super) stage: Stage,
    /// The key before, which has nothing left to open.
    #[serde(default)]
    pub(super) retired: Option<String>,
}

impl Document for KeyCheck {
    const KIND: &'static str = "secrets_key";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        KEY_CHECK.to_owned()
    }
}

impl KeyCheck {
    pub(super) async fn read(store: &Store) -> Result<Option<Versioned<Self>>, StoreError> {
        store.get::<Self>(KEY_CHECK).await
    }
}

impl Vault {
    /// Whether the store holds what was made with some key.
    pub async fn has_data(store: &Store) -> Result<bool, SecretError> {
        Ok(KeyCheck::read(store).await?.is_some())
    }

    /// Makes sure that these are the keys that the data was made with.
    ///
    /// # Errors
    /// One of them is missing, or the store failed.
    pub async fn check(&self, store: &Store) -> Result<(), SecretError> {
        loop {
            if let Some(check) = KeyCheck::read(store).await? {
                return self.adopt(&check.document).await;
            }
            let check = KeyCheck { fingerprint: self.sealing_print(), stage: Stage::Settled, retired: None };
            match store.create(check).await {
                // Another process has just begun with the same store, with this key or with another.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Does as another process may have done to the keys, and tells the operator what is wanting.
    pub(crate) async fn look(&self, store: &Store, alarms: &Alarms) {
        let words = match self.follow(store).await {
            Ok(false) => None,
            Ok(true) => Some(
                "The key of the secrets is being changed. If nobody does so just now, it was broken off: \
                 `stagebox-cloud secrets rotate` goes on with it."
                    .to_owned(),
            ),
            // The store tells its own trouble.
            Err(SecretError::Store(_)) => return,
            Err(error) => Some(format!("{error}.")),
        };
        match words {
            Some(words) => alarms.raise(ALARM, words),
            None => alarms.clear(ALARM),
        }
    }

    /// Follows what another process may have done to the keys; whether a change of them is not finished.
    ///
    /// # Errors
    /// The key file lacks a key, and until it is there nothing is sealed here; or the store failed.
    async fn follow(&self, store: &Store) -> Result<bool, SecretError> {
        let Some(check) = KeyCheck::read(store).await? else { return Ok(false) };
        self.adopt(&check.document).await?;
        match &check.document.stage {
            Stage::Announced { next } => self.need(next).map(|_| true),
            Stage::Rewriting { .. } => Ok(true),
            Stage::Settled => Ok(false),
        }
    }
}
