//! Records: what a store holds, in a form that belongs to no engine.
//!
//! Backups are made of them, and engines hand them to each other.

use super::engine::RawIndex;
use super::journal::Account;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One thing that a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A document.
    Document {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
        /// Its version.
        version: u64,
        /// The shape of its body.
        schema: u32,
        /// Its index entries.
        indexes: Vec<RawIndex>,
        /// The document as JSON.
        #[serde(with = "text")]
        body: Vec<u8>,
    },
    /// A document that is not there any more; told by the tap only.
    Gone {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
    },
    /// A journal entry.
    Entry {
        /// In whose journal.
        account: Account,
        /// Its place.
        seq: u64,
        /// The entry as JSON.
        #[serde(with = "text")]
        body: Vec<u8>,
    },
    /// Entries before this one have been dropped; told by the tap only.
    Oldest {
        /// In whose journal.
        account: Account,
        /// The first that is kept.
        seq: u64,
    },
    /// A counter.
    Counter {
        /// Its name.
        name: String,
        /// The last number that was given out.
        value: u64,
    },
}

impl Record {
    /// What it is of and which one: a later record of the same key replaces an earlier one.
    pub fn key(&self) -> (u8, String) {
        match self {
            Self::Document { kind, id, .. } | Self::Gone { kind, id } => (0, format!("{kind}\0{id}")),
            Self::Entry { account, seq, .. } => (1, format!("{account}\0{seq:020}")),
            Self::Oldest { account, .. } => (2, account.to_string()),
            Self::Counter { name, .. } => (3, name.clone()),
        }
    }

    /// Whether it brings something, instead of taking it away.
    pub(super) fn takes_room(&self) -> bool {
        !matches!(self, Self::Gone { .. } | Self::Oldest { .. })
    }

    /// Bytes of keys, values and index entries, about: what a store cannot do with less.
    pub fn weight(&self) -> u64 {
        let (_, key) = self.key();
        let more = match self {
            Self::Document { body, indexes, kind, id, .. } => {
                let entry = |index: &RawIndex| {
                    // Once in the index itself, with the id as its value, once beside the document.
                    2 * (index.name.len() + index.key.len()) + kind.len() + 2 * id.len()
                };
                body.len() + indexes.iter().map(entry).sum::<usize>()
            }
            Self::Entry { body, .. } => body.len(),
            Self::Counter { .. } => 8,
            Self::Gone { .. } | Self::Oldest { .. } => 0,
        };
        (key.len() + more) as u64
    }
}

/// What a set of records is, whatever their order: equal stores have equal sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Documents, journal entries and counters.
    pub records: u64,
    sum: u128,
}

impl Sum {
    /// Takes records in; each may come only once.
    pub fn add(&mut self, records: &[Record]) {
        for record in records {
            let mut hash = Sha256::new();
            // Maps in a body keep the order that they were written in, so equal bytes are equal documents.
            let (class, key) = record.key();
            hash.update([class]);
            hash.update(key.as_bytes());
            match record {
                Record::Document { version, schema, indexes, body, .. } => {
                    hash.update(version.to_be_bytes());
                    hash.update(schema.to_be_bytes());
                    for index in indexes {
                        hash.update([u8::from(index.unique), 0]);
                        hash.update(index.name.as_bytes());
                        hash.update((index.key.len() as u64).to_be_bytes());
                        hash.update(&index.key);
                    }
                    hash.update(body);
                }
                Record::Entry { body, .. } => hash.update(body),
                Record::Counter { value, .. } => hash.update(value.to_be_bytes()),
                Record::Gone { .. } | Record::Oldest { .. } => continue,
            }
            let digest = hash.finalize();
            let part = digest.first_chunk::<16>().copied().map_or(0, u128::from_be_bytes);
            self.records += 1;
            self.sum = self.sum.wrapping_add(part);
        }
    }
}

/// Something in a store that does not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where: a kind and an id, or a journal.
    pub place: String,
    /// What is wrong there, in words.
    pub detail: String,
}

/// JSON in JSON, as text: readable, and byte for byte what it was.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(bytes).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(deserializer).map(String::into_bytes)
    }
}
