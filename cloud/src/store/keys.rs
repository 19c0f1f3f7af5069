//! What names, ids and values a store takes, and where an index entry is: alike in every engine.

use super::StoreError;

/// Longest kind or index name.
pub(super) const MAX_NAME: usize = 24;
/// Longest id.
pub(super) const MAX_ID: usize = 64;
/// Longest piece of a body in one value of sled, which keeps sixteen values of any size in a leaf.
pub(super) const CHUNK: usize = 4096;
/// Longest body: what the number of a piece can count.
const MAX_BODY: usize = CHUNK * u16::MAX as usize;
/// Most index entries of a document.
const MAX_INDEXES: usize = u8::MAX as usize;

/// Refuses names that would make keys long or ambiguous.
pub(super) fn check(kind: &str, id: &str) -> Result<(), StoreError> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if kind.is_empty() || kind.len() > MAX_NAME || !plain(kind) {
        return Err(StoreError::Key { detail: format!("the name {kind:?}") });
    }
    if id.is_empty() || id.len() > MAX_ID || !plain(id) {
        return Err(StoreError::Key {
            detail: format!("the id {:?}", id.chars().take(80).collect::<String>()),
        });
    }
    Ok(())
}

/// Refuses values that are too long.
pub(super) fn check_value(body: usize, indexes: usize) -> Result<(), StoreError> {
    if body > MAX_BODY || indexes > MAX_INDEXES {
        return Err(StoreError::Key { detail: format!("a document of {body} bytes") });
    }
    Ok(())
}

/// Where a document is in an index: in a unique one the key alone is the place.
pub(super) fn place(key: &[u8], unique: bool, id: &str) -> Vec<u8> {
    let mut place = key.to_vec();
    if !unique {
        place.extend_from_slice(id.as_bytes());
    }
    place
}

/// The first key that does not begin with `prefix`; empty if there is none.
pub(super) fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_the_end_of_its_prefix() {
        assert_eq!(successor(b"ab"), b"ac");
        assert_eq!(successor(&[1, 255]), [2]);
        assert_eq!(successor(&[255]), [0u8; 0]);
    }

    #[test]
    fn values_have_limits() {
        assert!(check_value(MAX_BODY, MAX_INDEXES).is_ok());
        assert!(check_value(MAX_BODY + 1, 0).is_err());
        assert!(check_value(0, MAX_INDEXES + 1).is_err());
    }
}
