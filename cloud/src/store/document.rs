//! What a slice declares about its documents.

use super::engine::RawIndex;
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
    /// Counts the sets of index entries that this kind has had: raised when [`Document::indexes`] gives others.
    const INDEXES: u32 = 1;

    /// Turns a stored document of shape `from` into one of shape `from + 1`.
    fn upgrade(from: u32, value: serde_json::Value) -> Result<serde_json::Value, String> {
        let _ = value;
        Err(format!("no way is known from shape {from} to the next"))
    }

    /// Whose it is: what belongs to an account goes with it.
    fn owner(&self) -> Owner;

    /// The account whose journal has its changes.
    fn account(&self) -> Account {
        match self.owner() {
            Owner::Account(account) => account,
            Owner::Of(_) | Owner::Server => Account::FIRST,
        }
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

/// Whose a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The installation's.
    Server,
    /// An account's.
    Account(Account),
    /// Of whoever has the document with this id, such as an event's or a user's.
    Of(String),
}

impl Owner {
    /// Of whoever has the document with this id.
    #[expect(clippy::needless_pass_by_value, reason = "ids are small and copied")]
    pub fn of(id: impl ToString) -> Self {
        Self::Of(id.to_string())
    }

    /// The index entry that says so, whatever the kind.
    pub(super) fn index(&self) -> Option<Index> {
        let key = match self {
            Self::Server => return None,
            Self::Account(account) => IndexKey::new().text(ACCOUNT).number(account.0),
            Self::Of(id) => IndexKey::new().text(OF).text(id),
        };
        Some(Index::many(OWNER, key))
    }

    /// Reads what [`Owner::index`] wrote.
    pub(super) fn read(indexes: &[RawIndex]) -> Self {
        let Some(entry) = indexes.iter().find(|index| index.name == OWNER) else { return Self::Server };
        let mut parts = entry.key.splitn(2, |byte| *byte == 0);
        let (kind, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match rest.try_into().map(u64::from_be_bytes) {
            Ok(number) if kind == ACCOUNT.as_bytes() => Self::Account(Account(number)),
            _ => Self::Of(String::from_utf8_lossy(rest.strip_suffix(&[0]).unwrap_or(rest)).into_owned()),
        }
    }
}

/// The index that every document of somebody has; no slice names one so.
const OWNER: &str = "~owner";
const ACCOUNT: &str = "account";
const OF: &str = "of";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_back_from_its_index_entry() {
        for owner in [
            Owner::Account(Account(1)),
            Owner::Account(Account(u64::MAX)),
            Owner::of("evt_0"),
            Owner::of("12345678"),
        ] {
            let index = owner.index().unwrap();
            let key = index.key.into_bytes().unwrap();
            let other = RawIndex { name: "name".to_owned(), key: vec![1], unique: true };
            let raw = [other, RawIndex { name: index.name.to_owned(), key, unique: false }];
            assert_eq!(Owner::read(&raw), owner);
        }
        assert_eq!(Owner::read(&[]), Owner::Server);
        assert!(Owner::Server.index().is_none());
    }
}
