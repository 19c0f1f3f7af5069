//! What the store keeps of a user's second factor.

use super::totp;
use crate::clock::Timestamp;
use crate::id::{UserId, random_bytes};
use crate::secret::{HoldsSecrets, Sealed, Sealing, SecretError};
use crate::store::{Account, Document, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Recovery codes of one user.
pub(super) const CODES: usize = 10;

/// A second factor: the secret of an app, sealed, and codes for when the app is lost, hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// Whose.
    pub user: UserId,
    /// Whose.
    pub account: Account,
    pub(super) secret: Sealed,
    /// When a code of it was given for the first time; it is asked for from then.
    pub confirmed_at: Option<Timestamp>,
    /// The step of the last code that was taken.
    pub(super) last_step: Option<u64>,
    /// SHA-256 of the codes that are left; they have 80 random bits.
    pub(super) recovery: Vec<String>,
}

pub(super) fn context(user: UserId) -> String {
    format!("second factor of {user}")
}

impl SecondFactor {
    /// Takes a recovery code, each once.
    pub(super) fn take_recovery(&mut self, given: &str) -> bool {
        let hash = recovery_hash(given);
        let before = self.recovery.len();
        self.recovery.retain(|kept| *kept != hash);
        self.recovery.len() < before
    }

    /// Takes the step of a right code.
    pub(super) fn take_code(&mut self, secret: &[u8], given: &str, now: Timestamp) -> bool {
        let step = totp::accepted(secret, given, now, self.last_step);
        self.last_step = step.or(self.last_step);
        step.is_some()
    }
}

/// Draws recovery codes; their hashes are kept.
pub(super) fn draw_recovery() -> (Vec<String>, Vec<String>) {
    let draw = || {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let letters: Vec<char> =
            random_bytes::<16>().iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect();
        letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    };
    let codes: Vec<String> = (0..CODES).map(|_| draw()).collect();
    let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
    (codes, hashes)
}

fn recovery_hash(code: &str) -> String {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    hex::encode(Sha256::digest(format!("recovery code {plain}")))
}

impl HoldsSecrets for SecondFactor {
    fn reseal(&mut self, sealing: &Sealing<'_>) -> Result<bool, SecretError> {
        let old = sealing.open_old(&context(self.user), &self.secret)?;
        if let Some(secret) = &old {
            self.secret = sealing.seal::<Self>(&context(self.user), secret);
        }
        Ok(old.is_some())
    }
}

impl Document for SecondFactor {
    const KIND: &'static str = "second_factor";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.user.to_string()
    }

    fn journal_view(&self) -> Value {
        json!({ "user": self.user, "confirmed_at": self.confirmed_at, "recovery_codes_left": self.recovery.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_taken_once_however_they_are_typed() {
        let (codes, recovery) = draw_recovery();
        let vault = crate::secret::Vault::from_key(&[1; 32]);
        let sealing = futures_util::FutureExt::now_or_never(vault.sealing()).unwrap().unwrap();
        let user = UserId::random();
        let secret = sealing.seal::<SecondFactor>(&context(user), b"x");
        let mut factor = SecondFactor {
            user,
            account: Account::FIRST,
            secret,
            confirmed_at: None,
            last_step: None,
            recovery,
        };
        assert_eq!(factor.recovery.len(), CODES);
        assert!(factor.take_recovery(&codes[3].to_uppercase().replace('-', " ")));
        assert!(!factor.take_recovery(&codes[3]));
        assert!(!factor.take_recovery(""));
        assert_eq!(factor.recovery.len(), CODES - 1);
        assert!(!serde_json::to_string(&factor).unwrap().contains(&codes[4]));
    }
}
