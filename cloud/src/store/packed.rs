//! Index entries as bytes beside their document, so that they can be taken back.

use super::StoreError;
use super::engine::RawIndex;

pub(super) fn broken() -> StoreError {
    StoreError::Engine("a stored value is broken".to_owned())
}

/// Writes index entries: at most 255, with names and keys of at most 255 bytes.
pub(super) fn put_indexes(out: &mut Vec<u8>, indexes: &[RawIndex]) {
    out.push(indexes.len() as u8);
    for index in indexes {
        out.push(u8::from(index.unique));
        out.push(index.name.len() as u8);
        out.extend_from_slice(index.name.as_bytes());
        out.push(index.key.len() as u8);
        out.extend_from_slice(&index.key);
    }
}

/// Cuts bytes off the front of a value.
pub(super) struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self(value)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(broken)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.take(N)?.try_into().map_err(|_| broken())
    }

    fn byte(&mut self) -> Result<u8, StoreError> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads what [`put_indexes`] wrote.
    pub(super) fn indexes(&mut self) -> Result<Vec<RawIndex>, StoreError> {
        let count = self.byte()?;
        let mut indexes = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let unique = self.byte()? != 0;
            let length = usize::from(self.byte()?);
            let name = String::from_utf8(self.take(length)?.to_vec()).map_err(|_| broken())?;
            let length = usize::from(self.byte()?);
            let key = self.take(length)?.to_vec();
            indexes.push(RawIndex { name, key, unique });
        }
        Ok(indexes)
    }

    /// What has not been cut off yet.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}
