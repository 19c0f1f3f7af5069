//! What the store keeps of users and sessions.

use crate::clock::Timestamp;
use crate::id::UserId;
use crate::store::{Document, Index, IndexKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The index of users by e-mail address.
pub(super) const BY_EMAIL: &str = "email";
/// The index of sessions by their end.
pub(super) const BY_END: &str = "end";
/// The index of sessions by user, the oldest first.
pub(super) const BY_USER: &str = "user";

/// Somebody who can log in.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// What they log in with.
    pub email: String,
    /// Argon2id, in the PHC string format.
    pub(super) password_hash: String,
    /// When they were made.
    pub created_at: Timestamp,
}

impl User {
    pub(super) fn new(id: UserId, email: &str, password_hash: String, now: Timestamp) -> Self {
        Self { id, email: email.trim().to_owned(), password_hash, created_at: now }
    }
}

/// What an address is found by, however long it is and however it is capitalised.
pub(super) fn email_key(email: &str) -> [u8; 32] {
    Sha256::digest(email.trim().to_lowercase()).into()
}

impl Document for User {
    const KIND: &'static str = "user";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![Index::unique(BY_EMAIL, IndexKey::new().bytes(email_key(&self.email)))]
    }

    fn journal_view(&self) -> Value {
        json!({ "id": self.id, "created_at": self.created_at })
    }
}

/// A login that lasts; the token itself is known to the browser only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The SHA-256 of the token, in hexadecimal.
    pub token_hash: String,
    /// Whose.
    pub user: UserId,
    /// When they logged in.
    pub created_at: Timestamp,
    /// When it ends, unless it is used before.
    pub ends_at: Timestamp,
}

impl Document for Session {
    const KIND: &'static str = "session";
    const JOURNALED: bool = false;

    fn id(&self) -> String {
        self.token_hash.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::many(BY_END, IndexKey::new().time(self.ends_at)),
            Index::many(BY_USER, IndexKey::new().text(self.user).time(self.created_at)),
        ]
    }
}
