//! A stored value: version, index entries and body, the body in chunks where it is long.

use crate::store::engine::RawIndex;
use crate::store::packed::{self, Cut};
use crate::store::{StoreError, keys};

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

impl Head {
    /// Splits a body into a head and the chunks that follow it.
    pub(super) fn split(
        version: u64,
        schema: u32,
        indexes: Vec<RawIndex>,
        body: &[u8],
    ) -> Result<(Self, Vec<&[u8]>), StoreError> {
        keys::check_value(body.len(), indexes.len())?;
        let mut pieces = body.chunks(keys::CHUNK);
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
        packed::put_indexes(&mut out, &self.indexes);
        out.extend_from_slice(&self.first);
        out
    }

    /// Reads a head.
    pub(super) fn decode(value: &[u8]) -> Result<Self, StoreError> {
        let mut cut = Cut::new(value);
        let version = u64::from_be_bytes(cut.array()?);
        let schema = u32::from_be_bytes(cut.array()?);
        let chunks = u16::from_be_bytes(cut.array()?);
        let indexes = cut.indexes()?;
        Ok(Self { version, schema, indexes, chunks, first: cut.rest().to_vec() })
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
