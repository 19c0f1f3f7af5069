//! What can go wrong with accounts.

use crate::http::ApiError;
use crate::store::StoreError;

/// Says why an account was not read, made or checked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The store failed.
    #[error("cannot read or write a user: {0}")]
    Store(#[from] StoreError),
    /// A password cannot be hashed.
    #[error("cannot hash a password: {0}")]
    Hash(String),
    /// The first password cannot be passed on.
    #[error("cannot pass on the administrator's password (`--admin-password-file`): {0}")]
    Tell(std::io::Error),
    /// There is no administrator yet.
    #[error("there is no administrator yet: the first start of `serve` makes one")]
    Nobody,
    /// Too many passwords are being checked.
    #[error("too many logins at once: try again in a moment")]
    Busy,
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Busy => Self::too_many(error.to_string(), 2),
            AccountError::Store(error) => error.into(),
            AccountError::Hash(_) | AccountError::Tell(_) | AccountError::Nobody => Self::internal(&error),
        }
    }
}
