//! Passwords: Argon2id, a few at a time, away from the threads that answer requests.
#![allow(clippy::disallowed_methods, reason = "a driver: whoever waits too long is sent away")]

use crate::account::AccountError;
use crate::id::random_bytes;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Checks that may wait for their turn.
const WAITING: usize = 32;
/// How long a check may wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shortest password that can be chosen, in characters.
const SHORTEST: usize = 10;
/// Longest password that is looked at, in characters.
const MAX: usize = 1024;

/// Hashes and checks passwords.
pub(in crate::account) struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// What an unknown address is checked against, so that it takes as long as a known one.
    nobody: Arc<OnceLock<String>>,
}

/// Draws a password of 100 bits that can be typed.
pub(in crate::account) fn random() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let drawn = random_bytes::<20>();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 31)]);
    let groups: Vec<String> = drawn.chunks(5).map(|group| group.iter().map(letter).collect()).collect();
    groups.join("-")
}

/// Checks a password that somebody chose: its length alone counts (NIST SP 800-63B, 5.1.1).
pub(in crate::account) fn acceptable(password: String) -> Result<String, String> {
    let count = password.chars().count();
    if (SHORTEST..=MAX).contains(&count) {
        Ok(password)
    } else {
        Err(format!("must have {SHORTEST} to {MAX} characters"))
    }
}

/// What [`acceptable`] takes, in the API's document.
pub(in crate::account) struct NewPassword;

impl PartialSchema for NewPassword {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .min_length(Some(SHORTEST))
            .max_length(Some(MAX))
            .into()
    }
}

impl ToSchema for NewPassword {
    fn name() -> Cow<'static, str> {
        "NewPassword".into()
    }
}

/// Checks at a time: each takes 19 MB and a core for some hundredths of a second, and half of the cores are for others.
fn parallel() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

fn hash(password: &str) -> Result<String, AccountError> {
    let wrong = |error: argon2::password_hash::Error| AccountError::Hash(error.to_string());
    let salt = SaltString::encode_b64(&random_bytes::<16>()).map_err(wrong)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt).map_err(wrong)?.to_string())
}

impl Passwords {
    pub(in crate::account) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(parallel())),
            queue: Arc::new(Semaphore::new(WAITING)),
            nobody: Arc::default(),
        }
    }

    /// Hashes a password.
    pub(in crate::account) async fn hash(&self, password: &str) -> Result<String, AccountError> {
        let password = password.to_owned();
        self.in_turn(move || hash(&password)).await?
    }

    /// Checks a password; without a hash it takes as long, and is wrong.
    pub(in crate::account) async fn verify(
        &self,
        known: Option<String>,
        password: &str,
    ) -> Result<bool, AccountError> {
        if password.chars().nth(MAX).is_some() {
            return Ok(false);
        }
        let (password, nobody) = (password.to_owned(), Arc::clone(&self.nobody));
        self.in_turn(move || {
            let exists = known.is_some();
            let text = match known {
                Some(text) => text,
                None => match nobody.get() {
                    Some(text) => text.clone(),
                    None => {
                        let made = hash("nobody has this password")?;
                        nobody.get_or_init(|| made).clone()
                    }
                },
            };
            let parsed = PasswordHash::new(&text).map_err(|error| AccountError::Hash(error.to_string()))?;
            let fits = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            Ok(fits && exists)
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| AccountError::Busy)?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| AccountError::Busy)?;
        // The permits go with the work: a client that hangs up frees no core.
        tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        })
        .await
        .map_err(|error| AccountError::Hash(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let passwords = Passwords::new();
        let hash = passwords.hash("right").await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify(Some(hash.clone()), "right").await.unwrap());
        assert!(!passwords.verify(Some(hash.clone()), "wrong").await.unwrap());
        assert!(!passwords.verify(Some(hash), &"x".repeat(MAX + 1)).await.unwrap());
        assert!(!passwords.verify(None, "nobody has this password").await.unwrap());
    }

    #[test]
    fn drawn_passwords_differ_and_can_be_typed() {
        let password = random();
        assert_eq!(password.len(), 23);
        assert_ne!(password, random());
        assert!(password.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    }
}
