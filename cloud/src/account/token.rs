//! Personal tokens: for programs that act in a user's name, with a part of the user's permissions and an end.

use crate::access::Permissions;
use crate::clock::Timestamp;
use crate::id::{TokenId, UserId};
use crate::store::{Account, Document, Index, IndexKey, Owner, sort_key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The index of tokens by what is kept of them.
pub(super) const BY_HASH: &str = "hash";
/// The index of a user's tokens, the oldest first.
pub(super) const BY_USER: &str = "user";
/// The index of a user's tokens in the order of their names.
pub(super) const IN_ORDER: &str = "user_name";
/// What every token begins with, so that it is known where it leaks.
pub(super) const PREFIX: &str = "sbx_";

/// A personal token; itself it is known to its user only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose user's.
    pub account: Account,
    /// Whose.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// What it allows of what its user may do; everything if absent.
    pub permissions: Option<Permissions>,
    /// Its SHA-256: it has 256 random bits, so that no slow hash is needed.
    pub(super) hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Timestamp>,
}

pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

impl Document for Token {
    const KIND: &'static str = "token";
    /// Before lists could be sorted there was one by age only.
    const INDEXES: u32 = 2;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let own = || IndexKey::of(self.account).text(self.user);
        vec![
            Index::unique(BY_HASH, IndexKey::new().bytes(self.hash)),
            Index::many(BY_USER, own().time(self.created_at)),
            Index::many(IN_ORDER, own().text(sort_key(&self.name))),
        ]
    }

    fn journal_view(&self) -> Value {
        json!({ "id": self.id, "user": self.user, "permissions": self.permissions, "expires_at": self.expires_at })
    }
}
