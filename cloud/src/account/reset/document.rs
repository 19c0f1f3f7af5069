//! What the store keeps of a link to a new password.

use crate::clock::Timestamp;
use crate::id::UserId;
use crate::store::{Document, Index, IndexKey, Owner};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The index of a user's resets, the oldest first.
pub(super) const BY_USER: &str = "user";
/// The index of all resets by their end.
pub(super) const BY_END: &str = "end";

/// A link to a new password; its token is in the mail only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The SHA-256 of the token, in hexadecimal.
    pub(super) token_hash: String,
    /// Whose.
    pub(super) user: UserId,
    /// When it ends.
    pub(super) ends_at: Timestamp,
    /// What tells whether password and address are still those of then: any change of them ends the reset.
    pub(super) password_print: String,
}

/// What a token is kept under: it has 256 random bits, so that no slow hash is needed.
pub(super) fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(format!("reset {token}")))
}

impl Document for Reset {
    const KIND: &'static str = "password_reset";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(self.user)
    }

    fn id(&self) -> String {
        self.token_hash.clone()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::many(BY_USER, IndexKey::new().text(self.user).time(self.ends_at)),
            Index::many(BY_END, IndexKey::new().time(self.ends_at)),
        ]
    }
}
