//! Where things are in the one sorted map: the first byte says what a key is.

use crate::store::keys::{self, check};
use crate::store::{Account, StoreError};

const DOCUMENT: u8 = b'd';
const CHUNK: u8 = b'c';
const INDEX: u8 = b'i';
const JOURNAL: u8 = b'j';
const JOURNAL_CHUNK: u8 = b'k';
const COUNTER: u8 = b'n';
const FORMAT: u8 = b'f';

fn named(class: u8, names: &[&str], more: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + names.iter().map(|name| name.len() + 1).sum::<usize>() + more);
    key.push(class);
    for name in names {
        key.extend_from_slice(name.as_bytes());
        key.push(0);
    }
    key
}

/// A document's head.
pub(super) fn document(kind: &str, id: &str) -> Result<Vec<u8>, StoreError> {
    check(kind, id)?;
    Ok(named(DOCUMENT, &[kind, id], 0))
}

/// A further part of a document's value; a version has its own, so that readers never mix two.
pub(super) fn chunk(kind: &str, id: &str, version: u64, number: u16) -> Result<Vec<u8>, StoreError> {
    check(kind, id)?;
    let mut key = named(CHUNK, &[kind, id], 10);
    key.extend_from_slice(&version.to_be_bytes());
    key.extend_from_slice(&number.to_be_bytes());
    Ok(key)
}

/// An index entry, or with a prefix of one the place where such entries begin.
pub(super) fn index(kind: &str, index: &str, rest: &[u8]) -> Vec<u8> {
    let mut key = named(INDEX, &[kind, index], rest.len());
    key.extend_from_slice(rest);
    key
}

/// An index entry of a document; in a unique index the key alone is the place.
pub(super) fn index_entry(kind: &str, name: &str, key: &[u8], unique: bool, id: &str) -> Vec<u8> {
    index(kind, name, &keys::place(key, unique, id))
}

/// A journal entry.
pub(super) fn journal(account: Account, seq: u64) -> Vec<u8> {
    let mut key = vec![JOURNAL];
    key.extend_from_slice(&account.0.to_be_bytes());
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

/// All entries of an account's journal.
pub(super) fn journal_range(account: Account) -> std::ops::RangeInclusive<Vec<u8>> {
    journal(account, 0)..=journal(account, u64::MAX)
}

/// The entries of all accounts that come after `account`.
pub(super) fn journals_after(account: Option<Account>) -> std::ops::Range<Vec<u8>> {
    let low = account.map_or(vec![JOURNAL], |account| journal(account, u64::MAX));
    low..vec![JOURNAL + 1]
}

/// The account and `seq` that a journal key names.
pub(super) fn journal_place(key: &[u8]) -> Option<(Account, u64)> {
    let number = |part: &[u8]| part.try_into().ok().map(u64::from_be_bytes);
    Some((Account(number(key.get(1..9)?)?), number(key.get(9..17)?)?))
}

/// A further part of a journal entry, from the entry's own key.
pub(super) fn journal_chunk(entry: &[u8], number: u16) -> Vec<u8> {
    let mut key = vec![JOURNAL_CHUNK];
    key.extend_from_slice(entry.get(1..).unwrap_or_default());
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// A counter.
pub(super) fn counter(name: &str) -> Vec<u8> {
    named(COUNTER, &[name], 0)
}

/// Where the layout's own number is kept.
pub(super) fn format() -> Vec<u8> {
    vec![FORMAT]
}

/// What a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Document { kind: String, id: String },
    Chunk { kind: String, id: String, version: u64 },
    Index { kind: String, name: String },
    Journal(Account, u64),
    JournalChunk(Account, u64),
    Counter(String),
    Format,
}

/// Reads a key back; `None` if it is none of ours.
pub(super) fn place(key: &[u8]) -> Option<Place> {
    let (class, rest) = key.split_first()?;
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    let mut text = || parts.next().and_then(|part| String::from_utf8(part.to_vec()).ok());
    Some(match *class {
        DOCUMENT => Place::Document { kind: text()?, id: text()? },
        CHUNK => Place::Chunk {
            kind: text()?,
            id: text()?,
            version: u64::from_be_bytes(parts.next()?.get(..8)?.try_into().ok()?),
        },
        INDEX => Place::Index { kind: text()?, name: text()? },
        JOURNAL => journal_place(key).map(|(account, seq)| Place::Journal(account, seq))?,
        JOURNAL_CHUNK => journal_place(key).map(|(account, seq)| Place::JournalChunk(account, seq))?,
        COUNTER => Place::Counter(text()?),
        FORMAT => Place::Format,
        _ => return None,
    })
}

/// The keys of all documents.
pub(super) fn documents() -> std::ops::Range<Vec<u8>> {
    vec![DOCUMENT]..vec![DOCUMENT + 1]
}

/// The keys of all counters.
pub(super) fn counters() -> std::ops::Range<Vec<u8>> {
    vec![COUNTER]..vec![COUNTER + 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::{MAX_ID, MAX_NAME};

    #[test]
    fn keys_stay_under_two_hundred_bytes() {
        let (kind, id) = ("k".repeat(MAX_NAME), "i".repeat(MAX_ID));
        assert!(index_entry(&kind, &kind, &[0; 80], false, &id).len() < 200);
        assert!(chunk(&kind, &id, u64::MAX, u16::MAX).unwrap().len() < 200);
        assert!(document("kind", &"i".repeat(MAX_ID + 1)).is_err());
        assert!(document("kind", "a\0b").is_err());
    }

    #[test]
    fn keys_are_read_back() {
        let text = |text: &str| text.to_owned();
        let (kind, id) = (text("thing"), text("a"));
        let account = Account(7);
        for (key, wanted) in [
            (document("thing", "a").unwrap(), Place::Document { kind: kind.clone(), id: id.clone() }),
            (chunk("thing", "a", 258, 3).unwrap(), Place::Chunk { kind: kind.clone(), id, version: 258 }),
            (index_entry("thing", "rank", &[0, 1], false, "a"), Place::Index { kind, name: text("rank") }),
            (journal(account, 3), Place::Journal(account, 3)),
            (journal_chunk(&journal(account, 3), 9), Place::JournalChunk(account, 3)),
            (counter("n"), Place::Counter(text("n"))),
            (format(), Place::Format),
        ] {
            assert_eq!(place(&key), Some(wanted));
        }
        assert_eq!(place(b""), None);
        assert_eq!(place(b"x"), None);
        assert!(journal_range(account).contains(&journal(account, u64::MAX)));
        assert!(!journals_after(Some(account)).contains(&journal(account, 5)));
        assert!(journals_after(Some(account)).contains(&journal(Account(8), 0)));
    }
}
