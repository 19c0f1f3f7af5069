//! What can go wrong with accounts.

use crate::access::Permissions;
use crate::http::ApiError;
use crate::store::{QueueError, StoreError};

/// Says why an account was not read, made or checked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The store failed.
    #[error("cannot read or write a user: {0}")]
    Store(#[from] StoreError),
    /// A mail cannot be queued.
    #[error("cannot queue a mail: {0}")]
    Mail(#[from] QueueError),
    /// A password cannot be hashed.
    #[error("cannot hash a password: {0}")]
    Hash(String),
    /// The first password cannot be passed on.
    #[error("cannot pass on the administrator's password (`--admin-password-file`): {0}")]
    Tell(std::io::Error),
    /// There is no administrator yet.
    #[error("there is no administrator yet: the first start of `serve` makes one")]
    Nobody,
    /// There is no such thing in this account.
    #[error("there is no {0}")]
    NotFound(String),
    /// Somebody has the address already.
    #[error("somebody has the e-mail address {0} already")]
    EmailTaken(String),
    /// Another role has the name already.
    #[error("another role is called {0} already")]
    NameTaken(String),
    /// Whoever asks would give or take what they have not.
    #[error("your role does not allow what this one does: {0}")]
    Beyond(Permissions),
    /// It is for others' sake: for oneself there is a way that asks for what one knows.
    #[error("this is for other users: one's own {0}")]
    Oneself(&'static str),
    /// Nobody could administer the account any more.
    #[error("this is the account's last administrator who can log in: make another one first")]
    LastAdministrator,
    /// The administrators' role stays as it is.
    #[error("the administrators' role allows everything and stays as it is: make another role")]
    Administrators,
    /// Whoever runs the server would be kept out.
    #[error("the first account administers the installation and cannot be suspended")]
    FirstAccount,
    /// It does not come back.
    #[error("the account is being deleted: it cannot be resumed")]
    Deleting,
    /// Something on the command line is wrong.
    #[error("`{0}` {1}")]
    Wrong(&'static str, String),
    /// Users have the role.
    #[error("users have this role: give them another one first")]
    RoleInUse,
    /// Somebody else changed it.
    #[error("it has been changed meanwhile; it is at version {0}")]
    ChangedMeanwhile(u64),
    /// Too many passwords are being checked.
    #[error("too many logins at once: try again in a moment")]
    Busy,
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::Busy => Self::too_many(text, 2),
            AccountError::Store(error) | AccountError::Mail(QueueError::Store(error)) => error.into(),
            AccountError::NotFound(_) => Self::not_found(text),
            AccountError::EmailTaken(_) => Self::field("email", text),
            AccountError::NameTaken(_) => Self::field("name", text),
            AccountError::Beyond(_) => Self::forbidden(text),
            AccountError::Wrong(..) => Self::bad_request(text),
            AccountError::LastAdministrator
            | AccountError::Administrators
            | AccountError::FirstAccount
            | AccountError::Oneself(_)
            | AccountError::Deleting
            | AccountError::RoleInUse => Self::conflict(text),
            AccountError::ChangedMeanwhile(_) => Self::changed_meanwhile(text),
            AccountError::Mail(_) | AccountError::Hash(_) | AccountError::Tell(_) | AccountError::Nobody => {
                Self::internal(&error)
            }
        }
    }
}
