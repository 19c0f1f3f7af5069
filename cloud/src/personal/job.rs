//! The jobs `export-user` and `erase-user`.

use super::gather::gather;
use super::{Export, PersonalError, archive, erase};
use crate::access::{Caller, Permission, Permissions, Via};
use crate::account::{AccountError, Accounts, User};
use crate::app::App;
use crate::http::ApiError;
use crate::id::UserId;
use crate::job::{JobHandle, Outcome, Work, WorkError};
use crate::store::{Account, Batch, Progress, Store, StoreError, Versioned};
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
        // Before the work: it is not kept where nothing new is taken in.
        if let Some(trouble) = self.store.trouble() {
            return Err(WorkError::failed(trouble));
        }
        let user =
            self.accounts.user_of(whose.account, whose.user).await.map_err(|error| in_job(error.into()))?;
        let files = gather(&self.store, &self.accounts, whose, &tell).await.map_err(in_job)?;
        let archive = archive::pack(files).map_err(in_job)?;
        let words = format!("an archive of {} kB, to be fetched for 7 days", archive.len().div_ceil(1000));
        let export = Export::new(whose.user, &archive, self.store.batch().at());
        let older = Export::of(&self.store, whose.user).await?;
        Ok(Outcome::new(words).with(kept(user, export, older)))
    }
}

/// Has an export kept in place of older ones; of a user who was erased meanwhile none is left behind.
fn kept(
    user: Versioned<User>,
    export: Export,
    older: Vec<Versioned<Export>>,
) -> impl Fn(Batch) -> Batch + Send + Sync {
    move |batch| {
        let batch = batch.rewrite(&user, &user.document).create(&export);
        older.iter().fold(batch, Batch::delete)
    }
}

/// Who is erased, and at whose wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    #[serde(flatten)]
    pub(super) whose: Whose,
    pub(super) by: UserId,
    /// What whoever asked might do then: a token may allow less than its user may.
    #[serde(default = "Permissions::all")]
    pub(super) permissions: Permissions,
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

/// Makes sure that whoever asked may still have the user taken away; one who is gone can only be gone for good.
pub(super) async fn allowed(accounts: &Accounts, wish: &Wish) -> Result<(), ApiError> {
    let Whose { account, user } = wish.whose;
    match accounts.user_of(account, user).await {
        Ok(_) => {}
        Err(AccountError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let permissions = accounts.permissions_of_user(account, wish.by).await?.and(wish.permissions);
    let caller = Caller { user: wish.by, account, permissions, via: Via::Session };
    caller.demand(Permission::UsersWrite)?;
    match accounts.may_remove(&caller, user).await {
        Ok(()) | Err(AccountError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Work for EraseUser {
    const KIND: &'static str = "erase-user";
    type Input = Wish;

    async fn run(&self, job: JobHandle, wish: Wish) -> Result<Outcome, WorkError> {
        // Anybody who may retry jobs can come back to it long afterwards.
        allowed(&self.accounts, &wish).await.map_err(|error| match error.status() {
            status if status.is_server_error() => WorkError::failed(error.detail()),
            _ => WorkError::hopeless(error.detail()),
        })?;
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
        PersonalError::Account(AccountError::Store(error)) => WorkError::failed(error),
        PersonalError::Account(error) => WorkError::hopeless(error),
        error => WorkError::failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::Ground;

    #[tokio::test]
    async fn an_export_is_kept_alone_and_never_of_one_who_is_gone() {
        let ground = Ground::new().await;
        let (store, user) = (&ground.store, ground.user("anna", &[]).await);
        let keep = async |user: &Versioned<User>| {
            let id = user.document.id;
            let older = Export::of(store, id).await.unwrap();
            let export = Export::new(id, b"all of it", store.batch().at());
            store.commit(kept(user.clone(), export, older)(store.batch())).await
        };
        keep(&ground.read(&user).await).await.unwrap();
        let read = ground.read(&user).await;
        keep(&read).await.unwrap();
        assert_eq!(Export::of(store, user.id).await.unwrap().len(), 1);
        let read = ground.read(&user).await;
        ground.accounts.remove_user(Account::FIRST, None, user.id, None).await.unwrap();
        assert!(matches!(keep(&read).await, Err(StoreError::Conflict { kind: "user", .. })));
        assert_eq!(Export::of(store, user.id).await.unwrap(), []);
    }

    #[tokio::test]
    async fn an_erasure_is_looked_at_again_when_it_begins() {
        let ground = Ground::new().await;
        let accounts = &ground.accounts;
        let clerk = ground.user("clerk", &[Permission::UsersWrite]).await;
        let plain = ground.user("plain", &[]).await;
        let wish = |by: UserId, user: UserId, permissions| Wish {
            whose: Whose { account: Account::FIRST, user },
            by,
            permissions,
        };
        let all = Permissions::all();
        allowed(accounts, &wish(clerk.id, plain.id, all)).await.unwrap();
        let limited = Permissions::default();
        let no = [
            wish(clerk.id, plain.id, limited),
            wish(plain.id, clerk.id, all),
            wish(clerk.id, ground.administrator.id, all),
        ];
        for wish in no {
            assert_eq!(allowed(accounts, &wish).await.unwrap_err().status(), 403, "{wish:?}");
        }
        let last = wish(ground.administrator.id, ground.administrator.id, all);
        assert_eq!(allowed(accounts, &last).await.unwrap_err().status(), 409);
        ground.change(&clerk, |user| user.role = plain.role).await;
        assert_eq!(allowed(accounts, &wish(clerk.id, plain.id, all)).await.unwrap_err().status(), 403);
        // What was begun is finished, also where whoever asked was it.
        ground.accounts.remove_user(Account::FIRST, None, clerk.id, None).await.unwrap();
        allowed(accounts, &wish(clerk.id, clerk.id, all)).await.unwrap();
    }
}
