//! What is kept of a user: given out as one archive, and erased.
//!
//! Erasing takes the user away with sessions, tokens, second factor, logins and exports; what they made stays with the
//! account, and the journal names them by an id that says nothing any more. On the embedded store the files are then
//! written anew, so that the old bytes are not on the disk either.

mod archive;
mod document;
mod gather;
mod http;
mod job;

pub use document::Export;
pub(crate) use gather::gather;
pub use http::{Operations, routes};
pub use job::{EraseUser, ExportUser, Whose};

use crate::account::{AccountError, Accounts};
use crate::app::App;
use crate::idempotency;
use crate::store::{Progress, Store, StoreError};

/// Has this process make exports and erase users.
pub(crate) fn register(app: &App) {
    app.jobs.register(ExportUser::new(app));
    app.jobs.register(EraseUser::new(app));
}

/// Makes the archive of a user; for whoever runs the server.
pub(crate) async fn export(
    store: &Store,
    accounts: &Accounts,
    whose: Whose,
) -> Result<Vec<u8>, PersonalError> {
    let files = gather(store, accounts, whose, &|_, _| true).await?;
    archive::pack(files)
}

/// Takes a user away with all that names them, and the old bytes off the disk; what was done, in words.
pub(crate) async fn erase(
    store: &Store,
    accounts: &Accounts,
    by: Option<crate::id::UserId>,
    whose: Whose,
    progress: &Progress,
) -> Result<String, PersonalError> {
    match accounts.remove_user(whose.account, by, whose.user, None).await {
        Ok(()) => {}
        // An attempt before this one did it, and perhaps no more than that.
        Err(AccountError::NotFound(_)) => accounts.forget_traces(whose.user).await?,
        Err(error) => return Err(error.into()),
    }
    // What was answered to whoever made or changed the user.
    idempotency::forget_answers(store, whose.account, whose.user).await?;
    match store.rewrite(progress).await {
        Ok(_) => Ok("nothing names the user any more, and the store was written anew without the old bytes"
            .to_owned()),
        Err(StoreError::Unsupported(_)) => {
            Ok("nothing names the user any more; PostgreSQL writes over the old bytes by itself (autovacuum)"
                .to_owned())
        }
        Err(StoreError::Cancelled) => Err(StoreError::Cancelled.into()),
        Err(error) => Err(PersonalError::OldBytes(error)),
    }
}

/// Says why a user's data were not given out or erased.
#[derive(Debug, thiserror::Error)]
pub enum PersonalError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user is gone, or cannot go.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The archive cannot be written.
    #[error("the archive cannot be written: {0}")]
    Archive(String),
    /// The user is gone, and the disk has what is old.
    #[error(
        "nothing names the user any more, but the store was not written anew without the old bytes: {0}; \
         `stagebox-cloud store rewrite` does that"
    )]
    OldBytes(StoreError),
    /// Somebody does not want it any more.
    #[error("it was told to end")]
    Stopped,
}
