//! The secret that opens a server to a stream.

use std::fmt;

/// What is shown in a key's place.
const MASK: &str = "***";
/// A shorter text may stand in a sentence by chance.
const LEAST_HIDDEN_BYTES: usize = 8;

/// A stream key; it never shows in logs or messages.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(String);

impl StreamKey {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key itself; not for logs.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A text without the key in it: servers quote what they refuse.
    pub(crate) fn hide_in(&self, text: String) -> String {
        // Many servers take what follows a question mark for something else.
        let name = self.0.split_once('?').map_or("", |(name, _)| name);
        [self.0.as_str(), name]
            .into_iter()
            .filter(|secret| secret.len() >= LEAST_HIDDEN_BYTES)
            .fold(text, |text, secret| text.replace(secret, MASK))
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::StreamKey;

    #[test]
    fn a_key_is_never_shown() {
        let key = StreamKey::new("live_123456_Abc?backup=1");
        assert_eq!(format!("{key:?}"), "***");
        let hidden = |text: &str| key.hide_in(text.to_owned());
        assert_eq!(hidden("no stream live_123456_Abc?backup=1 here"), "no stream *** here");
        assert_eq!(hidden("live_123456_Abc is in use"), "*** is in use");
        assert_eq!(StreamKey::new("key").hide_in("wrong key".to_owned()), "wrong key");
    }
}
