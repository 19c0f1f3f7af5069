//! What users are told by mail: what is queued of it, and what it says.
//!
//! What is queued names nobody but by id, or by the hash of an address that perhaps nobody has. The token of a reset is
//! drawn when its mail is put together, so that it is nowhere but in the mail.

use super::document::BY_EMAIL;
use super::tenant::AccountRecord;
use super::{AccountError, Accounts, Role, User};
use crate::access::Permission;
use crate::id::UserId;
use crate::mail::{Mail, Part};
use crate::store::{IndexKey, StoreError};
use serde::{Deserialize, Serialize};

/// A mail that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// How to choose a new password, for whoever has the address with this hash.
    PasswordReset {
        /// SHA-256 of the address, in hexadecimal.
        who: String,
    },
    /// The password was changed.
    PasswordChanged {
        /// Whose.
        user: UserId,
        /// Whether the user's tokens were taken back with it.
        #[serde(default)]
        tokens_ended: bool,
    },
    /// The second factor was taken off.
    SecondFactorOff {
        /// Whose.
        user: UserId,
    },
}

impl Accounts {
    /// Puts a mail together for whom it is meant; none if there is nobody.
    pub(crate) async fn compose(&self, letter: &Letter, url: &str) -> Result<Option<Mail>, AccountError> {
        let not_you = "If it was not you, tell whoever administers your Stagebox at once.";
        let (user, subject, parts) = match letter {
            Letter::PasswordReset { who } => {
                let Some(user) = self.by_hash(who).await? else { return Ok(None) };
                let token = self.draw_reset(&user).await?;
                let parts = vec![
                    Part::Text("Somebody asked for a new password for your Stagebox login.".to_owned()),
                    Part::Link { label: "Choose a new password".to_owned(), url: format!("{url}/reset#{token}") },
                    Part::Text(
                        "The link works once, within the next hour. If you did not ask for it, do nothing: your \
                         password stays as it is."
                            .to_owned(),
                    ),
                ];
                (user, "Choose a new password", parts)
            }
            Letter::PasswordChanged { user, tokens_ended } => {
                let Some(user) = self.enterable(*user).await? else { return Ok(None) };
                let tokens = if *tokens_ended {
                    "Your tokens for programs were taken back with it."
                } else {
                    "Your tokens for programs go on as they are: take back those that you do not know."
                };
                let words = format!(
                    "The password of your Stagebox login at {url} was changed just now. {tokens} {not_you}"
                );
                (user, "Your password was changed", vec![Part::Text(words)])
            }
            Letter::SecondFactorOff { user } => {
                let Some(user) = self.enterable(*user).await? else { return Ok(None) };
                let words = format!(
                    "Your Stagebox login at {url} asks for no code after the password any more: the second factor \
                     was taken off just now. {not_you}"
                );
                (user, "Your second factor was taken off", vec![Part::Text(words)])
            }
        };
        Ok(Some(Mail { to: user.email, name: user.name, subject: subject.to_owned(), parts }))
    }

    async fn by_hash(&self, who: &str) -> Result<Option<User>, StoreError> {
        let mut hash = [0; 32];
        if hex::decode_to_slice(who, &mut hash).is_err() {
            return Ok(None);
        }
        let found = self.0.store.find::<User>(BY_EMAIL, IndexKey::new().bytes(hash)).await?;
        match found {
            Some(found) => self.resettable(found.document.id).await,
            None => Ok(None),
        }
    }

    /// A user who may log in to the pages now and change the password.
    pub(super) async fn resettable(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let Some(user) = self.enterable(id).await? else { return Ok(None) };
        let role = self.0.store.get::<Role>(user.role).await?;
        let may = role.is_some_and(|role| role.document.permissions().has(Permission::ChangePassword));
        Ok(may.then_some(user))
    }

    /// A user who may log in to the pages now.
    pub(super) async fn enterable(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let user = self.0.store.get::<User>(id).await?.map(|found| found.document);
        let Some(user) = user.filter(User::can_enter) else { return Ok(None) };
        let account = self.0.store.get::<AccountRecord>(user.account).await?;
        Ok(account.filter(|account| !account.document.suspended).map(|_| user))
    }
}
