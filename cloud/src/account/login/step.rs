//! Between the password and the code: a signed word that says whose password was right, not long ago.

use crate::clock::Timestamp;
use crate::id::UserId;
use crate::secret::Vault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

const CONTEXT: &str = "login step";
/// How long the code may take.
const VALID_MS: i64 = 5 * 60 * 1000;

/// Whose password was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) user: UserId,
    /// The user's version then: any change of the user ends it.
    pub(super) version: u64,
    pub(super) ends_at: Timestamp,
}

impl Step {
    pub(super) fn new(user: UserId, version: u64, now: Timestamp) -> Self {
        Self { user, version, ends_at: Timestamp::from_unix_ms(now.unix_ms() + VALID_MS) }
    }

    /// As the page keeps it for a moment.
    pub(super) fn sign(&self, vault: &Vault) -> String {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mac = vault.fingerprint(CONTEXT, &body);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(body), URL_SAFE_NO_PAD.encode(mac))
    }

    /// Reads what the page gives back, if it is ours and has not ended.
    pub(super) fn read(text: &str, vault: &Vault, now: Timestamp) -> Option<Self> {
        let (body, mac) = text.split_once('.').filter(|_| text.len() <= 512)?;
        let (body, mac) = (URL_SAFE_NO_PAD.decode(body).ok()?, URL_SAFE_NO_PAD.decode(mac).ok()?);
        let prints = vault.fingerprints(CONTEXT, &body);
        let is_ours = prints.iter().any(|print| bool::from(print.ct_eq(&mac)));
        let step: Self = serde_json::from_slice(&body).ok().filter(|_| is_ours)?;
        (step.ends_at > now).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_here_and_not_long_ago_counts() {
        let (vault, now) = (Vault::from_key(&[3; 32]), Timestamp::from_unix_ms(5_000));
        let step = Step::new(UserId::random(), 7, now);
        let text = step.sign(&vault);
        assert_eq!(Step::read(&text, &vault, now), Some(step));
        assert_eq!(Step::read(&text, &vault, step.ends_at), None);
        assert_eq!(Step::read(&text, &Vault::from_key(&[4; 32]), now), None);
        let other = Step { version: 8, ..step }.sign(&Vault::from_key(&[4; 32]));
        let mixed = format!("{}.{}", other.split('.').next().unwrap(), text.split('.').nth(1).unwrap());
        for wrong in ["", ".", "a.b", &mixed] {
            assert_eq!(Step::read(wrong, &vault, now), None);
        }
    }
}
