//! What the store keeps of include files.

use crate::clock::Timestamp;
use crate::id::AccountId;
use crate::media;
use crate::store::{Account, Document, Index, IndexKey, Owner};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The index of an account's files.
pub(super) const BY_ACCOUNT: &str = "account";

/// A file; its bytes are in the media store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncludeFile {
    /// Whose.
    pub account: Account,
    /// What that one is called in public.
    pub public_id: AccountId,
    /// Its name.
    pub name: String,
    /// As which it is served.
    pub content_type: String,
    /// How long it is.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// When a file of this name was first there.
    pub created_at: Timestamp,
    /// When it was last replaced.
    pub updated_at: Timestamp,
}

/// A name may be longer than an id.
pub(super) fn id(account: &AccountId, name: &str) -> String {
    hex::encode(Sha256::digest(format!("{account}/{name}")))
}

impl IncludeFile {
    /// Where its bytes are: others when they change, so that they are never half one and half the other.
    pub(crate) fn object(&self) -> Path {
        let id = id(&self.public_id, &self.name);
        let name = format!("{}-{}", id.get(..24).unwrap_or(&id), self.sha256);
        media::include_folder(&self.public_id).join(name.as_str())
    }
}

impl Document for IncludeFile {
    const KIND: &'static str = "include_file";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        id(&self.public_id, &self.name)
    }

    fn indexes(&self) -> Vec<Index> {
        vec![Index::many(BY_ACCOUNT, IndexKey::of(self.account))]
    }
}

/// How many files an account has; changed with each of them, so that no two requests go beyond what it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncludeTotal {
    /// Whose.
    pub account: Account,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Document for IncludeTotal {
    const KIND: &'static str = "include_total";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.account.to_string()
    }
}
