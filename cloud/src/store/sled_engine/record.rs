//! A stored value: version, index entries and body, the body in chunks where it is long.

use crate::store::StoreError;
use crate::store::engine::RawIndex;

/// Longest piece of a body in one value: sled keeps sixteen values of any size in a leaf.
const CHUNK: usize = 4096;
/// Longest body: what a chunk number can count.
const MAX_BODY: usize = CHUNK * u16::MAX as usize;

/// The first value of a document or of a journal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The document's version; 0 in the journal.
    pub(super) version: u64,
    /// The shape of the body.
    pub(super) schema: u32,
    /// The index entries that stand for this version, so that they can be taken back.
    pub(super) indexes: Vec<RawIndex>,
    /// How many chunks follow the first.
    pub(super) chunks: u16,
    first: Vec<u8>,
}

fn broken() -> StoreError {
    StoreError::Engine("a stored value is broken".to_owned())
}

/// Cuts bytes off the front of a value.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.take(N)?.try_into().map_err(|_| broken())
    }

    fn byte(&mut self) -> Result<u8, StoreError> {
        Ok(self.array::<1>()?[0])
    }
}

impl Head {
    /// Splits a body into a head and the chunks that follow it.
    pub(super) fn split(
        version: u64,
        schema: u32,
        indexes: Vec<RawIndex>,
        body: &[u8],
    ) -> Result<(Self, Vec<&[u8]>), StoreError> {
        if body.len() > MAX_BODY || indexes.len() > usize::from(u8::MAX) {
            return Err(StoreError::Key { detail: format!("a document of {} bytes", body.len()) });
        }
        let mut pieces = body.chunks(CHUNK);
        let first = pieces.next().unwrap_or_default().to_vec();
        let rest: Vec<&[u8]> = pieces.collect();
        Ok((Self { version, schema, indexes, chunks: rest.len() as u16, first }, rest))
    }

    /// Puts the body together; `None` if a chunk is not there.
    pub(super) fn body(
        &self,
        chunk: impl Fn(u16) -> Result<Option<sled::IVec>, StoreError>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut body = self.first.clone();
        for number in 0..self.chunks {
            match chunk(number)? {
                Some(piece) => body.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
        Ok(Some(body))
    }

    /// Writes the head.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.first.len());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.schema.to_be_bytes());
        out.extend_from_slice(&self.chunks.to_be_bytes());
        out.push(self.indexes.len() as u8);
        for index in &self.indexes {
            out.push(u8::from(index.unique));
            out.push(index.name.len() as u8);
            out.extend_from_slice(index.name.as_bytes());
            out.push(index.key.len() as u8);
            out.extend_from_slice(&index.key);
        }
        out.extend_from_slice(&self.first);
        out
    }

    /// Reads a head.
    pub(super) fn decode(value: &[u8]) -> Result<Self, StoreError> {
        let mut cut = Cut(value);
        let version = u64::from_be_bytes(cut.array()?);
        let schema = u32::from_be_bytes(cut.array()?);
        let chunks = u16::from_be_bytes(cut.array()?);
        let count = cut.byte()?;
        let mut indexes = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let unique = cut.byte()? != 0;
            let length = usize::from(cut.byte()?);
            let name = String::from_utf8(cut.take(length)?.to_vec()).map_err(|_| broken())?;
            let length = usize::from(cut.byte()?);
            let key = cut.take(length)?.to_vec();
            indexes.push(RawIndex { name, key, unique });
        }
        Ok(Self { version, schema, indexes, chunks, first: cut.0.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            version: u64,
            schema: u32,
            length in 0usize..20_000,
            keys in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..96), any::<bool>()), 0..5),
        ) {
            let body: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let indexes: Vec<RawIndex> = keys
                .into_iter()
                .map(|(key, unique)| RawIndex { name: "index".to_owned(), key, unique })
                .collect();
            let (head, rest) = Head::split(version, schema, indexes.clone(), &body).unwrap();
            let read = Head::decode(&head.encode()).unwrap();
            prop_assert_eq!((read.version, read.schema), (version, schema));
            prop_assert_eq!(&read.indexes, &indexes);
            let whole = read.body(|number| Ok(rest.get(usize::from(number)).map(|piece| (*piece).into()))).unwrap();
            prop_assert_eq!(whole, Some(body));
        }

        #[test]
        fn broken_values_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Head::decode(&bytes);
        }
    }
}
