//! The jobs `export-user` and `erase-user`.

use super::gather::gather;
use super::{Export, PersonalError, archive, erase};
use crate::account::Accounts;
use crate::app::App;
use crate::id::UserId;
use crate::job::{JobHandle, Outcome, Work, WorkError};
use crate::store::{Account, Progress, Store, StoreError};
use serde::{Deserialize, Serialize};

/// Whom it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whose {
    /// Whose user.
    pub account: Account,
    /// The user.
    pub user: UserId,
}

/// Makes the archive of what is kept of a user.
pub struct ExportUser {
    store: Store,
    accounts: Accounts,
}

impl ExportUser {
    pub(super) fn new(app: &App) -> Self {
        Self { store: app.store.clone(), accounts: app.accounts.clone() }
    }
}

impl Work for ExportUser {
    const KIND: &'static str = "export-user";
    const MAX_ATTEMPTS: u32 = 3;
    type Input = Whose;

    async fn run(&self, job: JobHandle, whose: Whose) -> Result<Outcome, WorkError> {
        let tell = |done, all| {
            job.counted(done, all, "entries read");
            job.check().is_ok()
        };
        let files = gather(&self.store, &self.accounts, whose, &tell).await.map_err(in_job)?;
        let archive = archive::pack(files).map_err(in_job)?;
        let words = format!("an archive of {} kB, to be fetched for 7 days", archive.len().div_ceil(1000));
        let export = Export::new(whose.user, &archive, self.store.batch().at());
        Ok(Outcome::new(words).with(move |batch| batch.create(&export)))
    }
}

/// What is erased, and at whose wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    #[serde(flatten)]
    pub(super) whose: Whose,
    pub(super) by: UserId,
}

/// Takes a user away with all that names them, and the old bytes off the disk.
pub struct EraseUser {
    store: Store,
    accounts: Accounts,
}

impl EraseUser {
    pub(super) fn new(app: &App) -> Self {
        Self { store: app.store.clone(), accounts: app.accounts.clone() }
    }
}

impl Work for EraseUser {
    const KIND: &'static str = "erase-user";
    type Input = Wish;

    async fn run(&self, job: JobHandle, wish: Wish) -> Result<Outcome, WorkError> {
        let teller = job.clone();
        let tell = move |percent, words| teller.progress(Some(percent), words);
        let progress = Progress::new(tell, job.stopped());
        let done = erase(&self.store, &self.accounts, Some(wish.by), wish.whose, &progress).await;
        done.map(Outcome::new).map_err(in_job)
    }
}

fn in_job(error: PersonalError) -> WorkError {
    match error {
        PersonalError::Stopped | PersonalError::Store(StoreError::Cancelled) => WorkError::Stopped,
        PersonalError::Account(crate::account::AccountError::Store(error)) => WorkError::failed(error),
        PersonalError::Account(error) => WorkError::hopeless(error),
        error => WorkError::failed(error),
    }
}
