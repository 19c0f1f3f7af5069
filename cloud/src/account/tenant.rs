//! An account: whose things are kept apart from everybody else's.

use crate::clock::Timestamp;
use crate::store::{Account, Document, Index, IndexKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The index of all accounts by number.
pub(super) const BY_NUMBER: &str = "number";

/// What an account may use; absent where nothing limits it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = AccountLimits)]
pub struct Limits {
    /// Media in the store, in GiB.
    #[schema(required)]
    pub storage_gib: Option<u64>,
    /// Events that are started at a time.
    #[schema(required)]
    pub events_at_once: Option<u64>,
    /// Days that recordings are kept.
    #[schema(required)]
    pub recording_days: Option<u64>,
    /// One upload, in GiB.
    #[schema(required)]
    pub upload_gib: Option<u64>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Its number.
    pub number: Account,
    /// Its name.
    pub name: String,
    /// What it may use.
    pub limits: Limits,
    /// Nobody of it may log in, and none of its events takes a broadcast.
    pub suspended: bool,
    /// Goes up with each change of who administers it: two such changes at a time cannot lock everybody out.
    pub administration: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl AccountRecord {
    pub(super) fn new(number: Account, name: &str, now: Timestamp) -> Self {
        Self {
            number,
            name: name.to_owned(),
            limits: Limits::default(),
            suspended: false,
            administration: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// With another change of who administers it.
    pub(super) fn administered(&self) -> Self {
        Self { administration: self.administration + 1, ..self.clone() }
    }
}

impl Document for AccountRecord {
    const KIND: &'static str = "account";

    fn account(&self) -> Account {
        self.number
    }

    fn id(&self) -> String {
        self.number.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![Index::unique(BY_NUMBER, IndexKey::new().number(self.number.0))]
    }
}
