//! What the store keeps of the hook.

use super::context;
use super::gcore::{Notice, Seen};
use crate::clock::Timestamp;
use crate::secret::{HoldsSecrets, Sealed, Sealing, SecretError};
use crate::store::{Account, Document, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Where an account's notifications go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Whose: an account has one.
    pub account: Account,
    /// The URL, sealed: its path or query may be a secret.
    pub url: Sealed,
    /// In whose shapes.
    pub dialect: String,
}

impl HoldsSecrets for Hook {
    fn reseal(&mut self, sealing: &Sealing<'_>) -> Result<bool, SecretError> {
        let old = sealing.open_old(&context(self.account), &self.url)?;
        if let Some(url) = &old {
            self.url = sealing.seal::<Self>(&context(self.account), url);
        }
        Ok(old.is_some())
    }
}

impl Document for Hook {
    const KIND: &'static str = "hook";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.account.to_string()
    }

    fn journal_view(&self) -> Value {
        json!({ "dialect": self.dialect })
    }
}

/// How one delivery went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = HookDelivery)]
pub struct Delivery {
    /// When it was tried.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What was sent.
    #[schema(value_type = Object)]
    pub notification: Value,
    /// The receiver's HTTP status; `null` if it did not answer.
    #[schema(required)]
    pub status: Option<u16>,
    /// What went wrong, in words; `null` if nothing did.
    #[schema(required)]
    pub error: Option<String>,
}

/// Where the reader of the journal is, and what is left to be told of the last entry that it read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Whose.
    pub account: Account,
    /// The last entry that was read.
    pub seq: u64,
    /// What that entry brought and was not tried yet.
    pub pending: Vec<Notice>,
    /// Notifications that the receiver took.
    pub delivered: u64,
    /// Notifications that it did not take; they are not tried again.
    pub failed: u64,
    /// The last one.
    pub last: Option<Delivery>,
}

impl Place {
    pub(super) fn at(account: Account, seq: u64) -> Self {
        Self { account, seq, pending: Vec::new(), delivered: 0, failed: 0, last: None }
    }
}

impl Document for Place {
    const KIND: &'static str = "hook_place";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.account.to_string()
    }
}

/// What the receiver has been told of an event: changes are found against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// The event's id.
    pub(super) id: String,
    /// As the journal showed it so far.
    pub(super) seen: Seen,
}

impl Document for Told {
    const KIND: &'static str = "hook_told";
    const JOURNALED: bool = false;

    /// The event's.
    fn owner(&self) -> Owner {
        Owner::of(&self.id)
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}
