//! What a slice declares about its documents.

use super::error::StoreError;
use super::journal::Account;
use crate::clock::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest index key in bytes, so that key, kind and id stay under 200 together.
const MAX_KEY: usize = 96;

/// Something that is kept under an id, with a version.
pub trait Document: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of this kind of document in the store and in the journal.
    const KIND: &'static str;
    /// Whether changes are entries of the journal.
    const JOURNALED: bool = true;
    /// Counts the shapes that this kind has had: raised when stored documents must be changed to be read.
    const SCHEMA: u32 = 1;

    /// Turns a stored document of shape `from` into one of shape `from + 1`.
    fn upgrade(from: u32, value: serde_json::Value) -> Result<serde_json::Value, String> {
        let _ = value;
        Err(format!("no way is known from shape {from} to the next"))
    }

    /// The account whose journal has its changes.
    fn account(&self) -> Account {
        Account::FIRST
    }

    /// What it is kept under.
    fn id(&self) -> String;

    /// The index entries by which it can be found.
    fn indexes(&self) -> Vec<Index> {
        Vec::new()
    }

    /// What the journal says of it: never a secret.
    fn journal_view(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}

/// A document with the version it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<D> {
    /// 1 when created, one more with each change.
    pub version: u64,
    /// The document.
    pub document: D,
}

/// One index entry of a document.
#[derive(Debug, Clone)]
pub struct Index {
    /// The index's name.
    pub name: &'static str,
    /// The place in it.
    pub key: IndexKey,
    /// Whether no two documents may have this key.
    pub unique: bool,
}

impl Index {
    /// An entry of an index in which many documents may have the same key.
    pub fn many(name: &'static str, key: IndexKey) -> Self {
        Self { name, key, unique: false }
    }

    /// An entry of an index in which a key belongs to one document.
    pub fn unique(name: &'static str, key: IndexKey) -> Self {
        Self { name, key, unique: true }
    }
}

/// An ordered key made of parts; compares as its parts do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexKey {
    bytes: Vec<u8>,
}

impl IndexKey {
    /// The empty key: the prefix of all keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The beginning of a key that keeps accounts apart.
    pub fn of(account: Account) -> Self {
        Self::new().number(account.0)
    }

    /// Adds a text; a zero character in it is left out.
    #[expect(clippy::needless_pass_by_value, reason = "ids are small and copied")]
    pub fn text(mut self, text: impl ToString) -> Self {
        self.bytes.extend(text.to_string().bytes().filter(|byte| *byte != 0));
        self.bytes.push(0);
        self
    }

    /// Adds a number.
    pub fn number(mut self, number: u64) -> Self {
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a time.
    pub fn time(self, time: Timestamp) -> Self {
        self.number(time.unix_ms() as u64)
    }

    /// Adds bytes of a fixed length, such as a hash.
    pub fn bytes<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.bytes.extend_from_slice(&bytes);
        self
    }

    pub(super) fn into_bytes(self) -> Result<Vec<u8>, StoreError> {
        if self.bytes.len() > MAX_KEY {
            return Err(StoreError::Key { detail: format!("an index key of {} bytes", self.bytes.len()) });
        }
        Ok(self.bytes)
    }
}
