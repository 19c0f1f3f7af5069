//! What the store keeps of an account's settings: only what it has set.

use crate::clock::Timestamp;
use crate::store::{Account, Document, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An account's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSettings {
    /// Whose.
    pub account: Account,
    /// What is set, by name.
    pub values: Map<String, Value>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Document for AccountSettings {
    const KIND: &'static str = "account_settings";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.account.to_string()
    }
}
